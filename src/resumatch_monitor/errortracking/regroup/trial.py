"""Trying fingerprint rules on stored events before they are saved."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from resumatch_monitor.errortracking.grouping.project import ProjectGrouping, group_event
from resumatch_monitor.errortracking.normalise import normalise
from resumatch_monitor.errortracking.regroup.stored import EventSamples, SampleEvent

ISSUES_TRIED = 400
# So many times a rule is held against a frame; then the trial ends, with what it has seen.
_WORK_MAX = 3_000_000
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
    """What rules would have done to stored events: the latest few of the issues looked at."""

    rules: Sequence[RuleTrial]
    events: int
    issues: int
    matched_events: int


async def try_rules(project_id: int, how: ProjectGrouping, samples: EventSamples) -> Trial:
    """Try a project's rules, all of them, on its stored events."""
    tried = {rule.line: RuleTrial(rule.line, rule.text) for rule in how.rules.rules}
    ids = await samples.list_issue_ids(project_id, limit=ISSUES_TRIED)
    events = matched = issues = work = 0
    for start in range(0, len(ids), _ISSUES_AT_ONCE):
        if work > _WORK_MAX:
            break
        page = await samples.read_samples(
            ids[start : start + _ISSUES_AT_ONCE], per_issue=_EVENTS_PER_ISSUE
        )
        events += len(page)
        issues += len({sample.issue_id for sample in page})
        page_matched, page_work = await asyncio.to_thread(_try_page, page, how, tried)
        matched += page_matched
        work += page_work
    return Trial(list(tried.values()), events, issues, matched)


def _try_page(
    page: Sequence[SampleEvent], how: ProjectGrouping, tried: dict[int, RuleTrial]
) -> tuple[int, int]:
    """Return how many events matched, and how often a rule was held against a frame."""
    count = work = 0
    for sample in page:
        event = normalise(sample.raw)
        work += len(how.rules.rules) * (1 + sum(len(each.frames) for each in event.exceptions))
        grouped = group_event(event, how)
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
    return count, work
