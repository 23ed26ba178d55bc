"""Trying fingerprint rules on stored events before they are saved."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from resumatch_monitor.errortracking.grouping.project import ProjectGrouping, group_event
from resumatch_monitor.errortracking.normalise import normalise
from resumatch_monitor.errortracking.regroup.stored import EventSamples, SampleEvent

ISSUES_TRIED = 400
_EVENTS_PER_ISSUE = 5
_ISSUES_AT_ONCE = 50
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class TrialExample:
    """An event that a rule matched, and the group that it would be in."""

    event_id: str
    issue_id: int
    short_id: str
    title: str
    fingerprint: Sequence[str]
    new_title: str


@dataclass(slots=True)
class RuleTrial:
    """What one rule would have done.

    Attributes:
        issues: Those whose events it matched, with how many.
        groups: How many issues its events would make.
    """

    line: int
    text: str
    events: int = 0
    issues: Counter[int] = field(default_factory=Counter[int])
    groups: set[bytes] = field(default_factory=set[bytes])
    examples: list[TrialExample] = field(default_factory=list[TrialExample])


@dataclass(frozen=True, slots=True)
class Trial:
    """What rules would have done to stored events: the latest few of each issue."""

    rules: Sequence[RuleTrial]
    events: int
    issues: int
    matched_events: int


async def try_rules(project_id: int, how: ProjectGrouping, samples: EventSamples) -> Trial:
    """Try a project's rules, all of them, on its stored events."""
    tried = {rule.line: RuleTrial(rule.line, rule.text) for rule in how.rules.rules}
    ids = await samples.list_issue_ids(project_id, limit=ISSUES_TRIED)
    events = matched = 0
    for start in range(0, len(ids), _ISSUES_AT_ONCE):
        page = await samples.read_samples(
            ids[start : start + _ISSUES_AT_ONCE], per_issue=_EVENTS_PER_ISSUE
        )
        events += len(page)
        matched += await asyncio.to_thread(_try_page, page, how, tried)
    return Trial(list(tried.values()), events, len(ids), matched)


def _try_page(
    page: Sequence[SampleEvent], how: ProjectGrouping, tried: dict[int, RuleTrial]
) -> int:
    count = 0
    for sample in page:
        grouped = group_event(normalise(sample.raw), how)
        if grouped.matched is None:
            continue
        count += 1
        trial = tried[grouped.matched.rule.line]
        trial.events += 1
        trial.issues[sample.issue_id] += 1
        trial.groups.add(grouped.grouping.key)
        if len(trial.examples) < _EXAMPLES and trial.issues[sample.issue_id] == 1:
            trial.examples.append(
                TrialExample(
                    sample.event_id,
                    sample.issue_id,
                    sample.short_id,
                    sample.title,
                    grouped.matched.fingerprint,
                    grouped.matched.title,
                )
            )
    return count
