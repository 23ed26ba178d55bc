"""Which rules of a group may be evaluated at the same time: those that do not read each other."""

from collections.abc import Sequence

from resumatch_monitor.alerts.alert import ALERT_NAME
from resumatch_monitor.metrics.labels import METRIC_NAME, Matcher
from resumatch_monitor.promql.parse import parse
from resumatch_monitor.promql.value import QueryError
from resumatch_monitor.promql.walk import list_selectors
from resumatch_monitor.rules.model import ALERTS_METRIC, FOR_STATE_METRIC, AlertingRule, Rule

_Selectors = Sequence[Sequence[Matcher]]
# A template may ask for anything.
_EVERYTHING: _Selectors = ((),)
_MOST_COMPARED = 300
"""Rules that are compared with each other; a larger group is evaluated in its order."""


def find_stages(rules: Sequence[Rule]) -> list[list[int]]:
    """Return the positions of `rules` in stages that follow each other.

    What evaluating them one after the other yields stays the same: a rule comes after those
    before it whose output it may read, and after those before it that may read its own output.
    """
    if len(rules) > _MOST_COMPARED:
        return [[position] for position in range(len(rules))]
    reads = [find_selectors(rule) for rule in rules]
    stage_of: list[int] = []
    for later, rule in enumerate(rules):
        stage = 0
        for earlier, other in enumerate(rules[:later]):
            if stage_of[earlier] >= stage and (
                may_read(reads[later], other)
                or may_read(reads[earlier], rule)
                or _write_the_same(other, rule)
            ):
                stage = stage_of[earlier] + 1
        stage_of.append(stage)
    return [
        [position for position, each in enumerate(stage_of) if each == stage]
        for stage in range(max(stage_of, default=-1) + 1)
    ]


def find_selectors(rule: Rule) -> _Selectors:
    """Return the matchers of each selector that evaluating `rule` may read."""
    if isinstance(rule, AlertingRule):
        texts = (text for _, text in (*rule.labels, *rule.annotations))
        if any("{{" in text and "query" in text for text in texts):
            return _EVERYTHING
    try:
        return [selector.matchers for selector in list_selectors(parse(rule.expr))]
    except QueryError:
        return _EVERYTHING


def may_read(selectors: _Selectors, rule: Rule) -> bool:
    """Tell whether one of `selectors` may match a series that `rule` writes."""
    fixed = {name: text for name, text in rule.labels if "{{" not in text}
    if isinstance(rule, AlertingRule):
        fixed[ALERT_NAME] = rule.name
        names = (ALERTS_METRIC, FOR_STATE_METRIC)
    else:
        names = (rule.name,)
    return any(
        all(_may_match(matcher, {**fixed, METRIC_NAME: name}) for matcher in matchers)
        for matchers in selectors
        for name in names
    )


def _may_match(matcher: Matcher, fixed: dict[str, str]) -> bool:
    """Tell whether a series whose labels `fixed` are known may match; others may be anything."""
    return matcher.name not in fixed or matcher.matches(fixed[matcher.name])


def _write_the_same(one: Rule, other: Rule) -> bool:
    if isinstance(one, AlertingRule) or isinstance(other, AlertingRule):
        return False
    return (one.name, one.labels) == (other.name, other.labels)
