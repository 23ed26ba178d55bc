"""A rule as a person writes it, checked before anything is made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import cast

from resumatch_monitor.kit.durations import parse_duration
from resumatch_monitor.kit.yamltree import YamlError, parse_yaml
from resumatch_monitor.rules.loader import CheckExpression, parse_rule
from resumatch_monitor.rules.model import Rule, RuleFileError
from resumatch_monitor.rules.policy import NO_DATA_KEY, NoDataPolicy

LARGEST_RULE_BYTES = 64 * 1024
_LONGEST_GROUP = 200
_LARGEST_LIMIT = 20_000
_LONGEST_INTERVAL = timedelta(days=1)

RuleBody = Mapping[str, object]
"""A rule as a rule file has it: texts, and labels and annotations by name."""


class InvalidRuleError(Exception):
    """A rule, or a file of them, cannot be used.

    Attributes:
        problems: What is wrong, with line, column and key.
    """

    def __init__(self, problems: Sequence[RuleFileError]) -> None:
        super().__init__("; ".join(each.message for each in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """How a group of managed rules is evaluated; empty is the general setting.

    Attributes:
        interval: A duration.
        query_offset: A duration.
        limit: The most alerts or series that one of its rules may yield; 0 for the general limit.
    """

    interval: str = ""
    query_offset: str = ""
    limit: int = 0


@dataclass(frozen=True, slots=True)
class RuleDraft:
    """What a person wants a rule to be.

    Attributes:
        group: The name of its group.
        text: The rule in YAML, or JSON, as an item of `rules` in a rule file.
        on_no_data: Instead of the general policy, and of what the text says.
        is_enabled: Whether it is evaluated.
        settings: Of its group; None leaves them as they are.
    """

    group: str
    text: str
    on_no_data: NoDataPolicy | None = None
    is_enabled: bool = True
    settings: GroupSettings | None = None


@dataclass(frozen=True, slots=True)
class CheckedRule:
    """A rule that can be used, and the text of it as it is kept."""

    rule: Rule
    body: RuleBody


def check_draft(draft: RuleDraft, check_expression: CheckExpression) -> CheckedRule:
    """Return the rule that `draft` describes.

    Raises:
        InvalidRuleError: If it cannot be used; names line, column and key of all that is wrong.
    """
    problems = [*_check_group(draft.group)]
    if draft.settings is not None:
        problems += check_settings(draft.settings)
    try:
        checked = check_rule_text(draft.text, check_expression)
    except InvalidRuleError as error:
        raise InvalidRuleError([*problems, *error.problems]) from None
    if problems:
        raise InvalidRuleError(problems)
    policy = draft.on_no_data or checked.rule.on_no_data
    return CheckedRule(replace(checked.rule, on_no_data=policy), checked.body)


def check_rule_text(text: str, check_expression: CheckExpression) -> CheckedRule:
    """Return the rule that `text` is: YAML or JSON.

    Raises:
        InvalidRuleError: If it cannot be used.
    """
    if len(text.encode()) > LARGEST_RULE_BYTES:
        raise InvalidRuleError([problem(f"a rule has at most {LARGEST_RULE_BYTES} bytes")])
    try:
        tree = parse_yaml(text, as_text=True)
    except YamlError as error:
        place = error.position
        raise InvalidRuleError(
            [RuleFileError("", place.line, None, None, error.message, place.column)]
        ) from error
    rule, errors = parse_rule(tree, check_expression=check_expression)
    if rule is None or errors:
        raise InvalidRuleError(errors)
    return CheckedRule(replace(rule, line=0), tidy_body(cast("RuleBody", tree.value)))


def tidy_body(body: RuleBody) -> RuleBody:
    """Return `body` without keys that say nothing, or that Prometheus does not know."""
    tidied = {
        key: value
        for key, value in body.items()
        if key != NO_DATA_KEY and value not in (None, "", {})
    }
    return {**tidied, "expr": str(tidied.get("expr", "")).strip()}


def check_settings(settings: GroupSettings) -> list[RuleFileError]:
    """Return what is wrong with the settings of a group."""
    found: list[RuleFileError] = []
    for key, text in (("interval", settings.interval), ("query_offset", settings.query_offset)):
        if not text:
            continue
        try:
            duration = parse_duration(text)
        except ValueError as error:
            found.append(problem(f"{key}: {error}", key))
            continue
        if key == "interval" and not timedelta(seconds=1) <= duration <= _LONGEST_INTERVAL:
            found.append(problem("interval: must be from 1s to 1d", key))
    if not 0 <= settings.limit <= _LARGEST_LIMIT:
        found.append(problem(f"limit: must be from 0 to {_LARGEST_LIMIT}", "limit"))
    return found


def problem(message: str, key: str = "") -> RuleFileError:
    """Return something that is wrong with a draft as a whole."""
    return RuleFileError("", 0, None, None, message, field=key)


def _check_group(name: str) -> list[RuleFileError]:
    if not name.strip():
        return [problem("group: is missing or empty", "group")]
    if len(name) > _LONGEST_GROUP or not name.isprintable():
        return [problem(f"group: a name of at most {_LONGEST_GROUP} characters", "group")]
    return []
