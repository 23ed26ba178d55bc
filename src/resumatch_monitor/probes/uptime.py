"""How much of the time that was watched a target was up, and the row of beats."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from resumatch_monitor.probes.outage import ProbeStatus

BEAT_COUNT = 60

_SEVERITY = {ProbeStatus.UP: 1, ProbeStatus.DEGRADED: 2, ProbeStatus.DOWN: 3}


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` until `end`."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Beat:
    """What was seen around one moment; `status` is None if nothing was."""

    at: datetime
    status: ProbeStatus | None
    duration_seconds: float | None


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A result as it was recorded."""

    at: datetime
    status: ProbeStatus
    duration_seconds: float
    message: str
    status_code: int | None


def compute_uptime(
    window: Span, *, watched: Iterable[Span], outages: Iterable[Span]
) -> float | None:
    """Return up time divided by watched time within `window`; None if it was not watched.

    Time in which the monitor itself did not run is neither up nor down.
    """
    seen = _merge(_clip(watched, window))
    watched_seconds = _measure(seen)
    if watched_seconds <= 0:
        return None
    down = [part for span in _merge(_clip(outages, window)) for part in _clip(seen, span)]
    return 1.0 - _measure(down) / watched_seconds


def build_beats(
    results: Sequence[StoredResult], *, now: datetime, interval: timedelta
) -> list[Beat]:
    """Return the last `BEAT_COUNT` intervals, oldest first, each with its worst result.

    The slots end at the last result, so that a regular result sits in the middle of its own,
    unless that is long ago.
    """
    anchor = now
    if results and timedelta(0) <= now - results[-1].at < 1.5 * interval:
        anchor = results[-1].at
    slots: list[StoredResult | None] = [None] * BEAT_COUNT
    for result in results:
        position = BEAT_COUNT - 1 - round((anchor - result.at) / interval)
        if 0 <= position < BEAT_COUNT:
            slots[position] = _worse(slots[position], result)
    return [
        Beat(
            at=slot.at if slot else anchor - (BEAT_COUNT - 1 - position) * interval,
            status=slot.status if slot else None,
            duration_seconds=slot.duration_seconds if slot else None,
        )
        for position, slot in enumerate(slots)
    ]


def _worse(first: StoredResult | None, second: StoredResult) -> StoredResult:
    if first is None or _SEVERITY.get(second.status, 0) >= _SEVERITY.get(first.status, 0):
        return second
    return first


def _clip(spans: Iterable[Span], window: Span) -> list[Span]:
    return [
        Span(max(span.start, window.start), min(span.end, window.end))
        for span in spans
        if span.start < window.end and span.end > window.start
    ]


def _merge(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for span in sorted(spans, key=lambda each: each.start):
        if merged and span.start <= merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


def _measure(spans: Iterable[Span]) -> float:
    return sum((span.end - span.start).total_seconds() for span in spans)
