"""When a rule over records would have fired."""

import asyncio
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from resumatch_monitor.alerts.state import (
    ActiveAlert,
    Observation,
    RuleState,
    Timing,
    advance,
)
from resumatch_monitor.logs.alerting.counting import merge_long
from resumatch_monitor.logs.alerting.rule import LogRule
from resumatch_monitor.logs.document import to_microseconds
from resumatch_monitor.logs.query.tree import Node
from resumatch_monitor.logs.store import LogQuery, LogReader
from resumatch_monitor.metrics.labels import Labels

MOST_GROUPS = 20
_MOST_STEPS = 2_016
_MOST_EPISODES = 200


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch of time for which an alert would have fired.

    Attributes:
        ends_at: None if it would still fire.
        peak: The count that was furthest from what is expected.
    """

    labels: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None
    peak: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What a rule would have done.

    Attributes:
        step: How far apart the moments are at which it was evaluated.
        counts: At each of them, from `start` on, what was counted of the group with most.
        is_cut: Whether there were more episodes, or more groups, than are looked at.
    """

    start: datetime
    step: timedelta
    counts: tuple[int, ...]
    episodes: tuple[Episode, ...]
    is_cut: bool


async def preview_rule(
    rule: LogRule, reader: LogReader, *, now: datetime, span: timedelta
) -> Preview:
    """Try a rule on the records of the last `span`, which has to be longer than its window.

    It is evaluated as it will be, but on counts by step: where that would be more often than
    2,016 times, as seldom as its window allows.
    """
    step = _choose_step(rule, span)
    steps = math.ceil(span / step)
    # The first window begins before the first moment.
    width = math.ceil(rule.config.window / step)
    step_us = round(step.total_seconds() * 1e6)
    end_us = to_microseconds(now) // step_us * step_us
    begin_us = end_us - (steps + width) * step_us
    start = now - timedelta(microseconds=to_microseconds(now) - end_us) - steps * step
    groups, is_cut = await _find_groups(rule, reader, begin_us, end_us)
    counts: dict[str, list[int]] = {}
    for value, node in groups.items():
        single = await _count_by_step(reader, node, begin_us, end_us, step_us)
        counts[value] = _slide(single, width)[-steps:]
    # A week of minutes of twenty groups takes a while.
    episodes = await asyncio.to_thread(_follow, rule, counts, start, step)
    highest = [max(each) for each in zip(*counts.values(), strict=True)] if counts else [0] * steps
    return Preview(
        start=start + step,
        step=step,
        counts=tuple(highest),
        episodes=tuple(episodes[:_MOST_EPISODES]),
        is_cut=is_cut or len(episodes) > _MOST_EPISODES,
    )


def _choose_step(rule: LogRule, span: timedelta) -> timedelta:
    """Return a step of whole seconds, of which the window has a whole number."""
    window = rule.config.window
    wanted = max(rule.config.every, span / _MOST_STEPS)
    parts = max(1, math.floor(window / wanted))
    return timedelta(seconds=math.ceil((window / parts).total_seconds()))


async def _find_groups(
    rule: LogRule, reader: LogReader, begin_us: int, end_us: int
) -> tuple[dict[str, Node], bool]:
    if not rule.label:
        return {"": rule.node}, False
    if rule.config.groups:
        values, is_cut = list(dict.fromkeys(rule.config.groups)), False
    else:
        query = LogQuery(rule.node, begin_us, end_us)
        top = await reader.top_values(query, rule.field, limit=MOST_GROUPS)
        values, is_cut = list(merge_long(top.values)), top.others > 0
    return {value: rule.narrow(value) for value in values}, is_cut


async def _count_by_step(
    reader: LogReader, node: Node, begin_us: int, end_us: int, step_us: int
) -> list[int]:
    counts = [0] * ((end_us - begin_us) // step_us)
    # An index makes only so many buckets at once.
    part_us = _MOST_STEPS * step_us
    for part in range(begin_us, end_us, part_us):
        query = LogQuery(node, part, min(part + part_us, end_us))
        for bucket in await reader.histogram(query, step_us=step_us):
            at = (bucket.start_us - begin_us) // step_us
            if 0 <= at < len(counts):
                counts[at] += sum(bucket.by_severity.values())
    return counts


def _slide(single: Sequence[int], width: int) -> list[int]:
    """Return for each step how many there are in it and the ones before, `width` together."""
    total = 0
    window: deque[int] = deque()
    sums: list[int] = []
    for count in single:
        window.append(count)
        total += count
        if len(window) > width:
            total -= window.popleft()
        sums.append(total)
    return sums


def _follow(
    rule: LogRule, counts: Mapping[str, Sequence[int]], start: datetime, step: timedelta
) -> list[Episode]:
    active: Mapping[Labels, ActiveAlert] = {}
    peaks: dict[Labels, int] = {}
    episodes: list[Episode] = []
    previous_at: datetime | None = None
    worse = max if rule.config.above is not None else min
    labels_of = {value: rule.label_alert(value) for value in counts}
    for number in range(len(next(iter(counts.values()), ()))):
        now = start + (number + 1) * step
        held = {
            labels_of[v]: each[number] for v, each in counts.items() if rule.holds(each[number])
        }
        outcome = advance(
            active,
            [Observation(labels, {}, float(count)) for labels, count in held.items()],
            _time(rule, now, previous_at, step),
        )
        for labels, count in held.items():
            peaks[labels] = worse(peaks.get(labels, count), count)
        for alert in (*outcome.resolved, *outcome.dropped):
            peak = peaks.pop(alert.labels, 0)
            if alert.fired_at is not None:
                episodes.append(Episode(alert.labels, alert.fired_at, now, peak))
        active, previous_at = outcome.active, now
    for labels, alert in active.items():
        if alert.state is RuleState.FIRING and alert.fired_at is not None:
            episodes.append(Episode(labels, alert.fired_at, None, peaks.get(labels, 0)))
    return sorted(episodes, key=lambda each: each.starts_at)


def _time(rule: LogRule, now: datetime, previous_at: datetime | None, step: timedelta) -> Timing:
    return Timing(
        now=now,
        previous_at=previous_at,
        hold_duration=rule.config.for_,
        keep_firing_for=rule.config.keep_firing_for,
        longest_gap=2 * step,
    )
