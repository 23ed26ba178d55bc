"""`from`, `to` and `max_points`, as every route that answers with points takes them."""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from resumatch_monitor.api.errors import BadRequestError
from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.kit.durations import parse_duration

MAX_POINTS_LIMIT = 2_000
DEFAULT_MAX_POINTS = 600

_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000
_NICE_STEPS_MS = (
    *(amount * _SECOND for amount in (1, 2, 5, 10, 15, 30)),
    *(amount * _MINUTE for amount in (1, 2, 5, 10, 15, 30)),
    *(amount * _HOUR for amount in (1, 2, 3, 6, 12)),
    *(amount * _DAY for amount in (1, 2, 7, 14, 28)),
)
# What `datetime` can render, less a margin for the longest look-back of a query.
_EARLIEST_MS = -50_000_000_000_000
_LATEST_MS = 200_000_000_000_000
_NOW = re.compile(r"now(?:\s*([+-])\s*(.+))?")
_MILLISECONDS = re.compile(r"-?\d{1,15}(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Evenly spaced moments: `from_ms`, `from_ms + step_ms`, … `to_ms`.

    All three are aligned to the step, so that a chart which refreshes asks for the same moments
    again and its points do not jump about.
    """

    from_ms: int
    to_ms: int
    step_ms: int

    @property
    def point_count(self) -> int:
        """How many moments there are, both ends included."""
        return (self.to_ms - self.from_ms) // self.step_ms + 1


def parse_time(text: str, *, clock: Clock, name: str = "time") -> int:
    """Return the milliseconds since the epoch that `text` means.

    Args:
        text: `now`, `now-1h` (Prometheus durations), RFC 3339, or milliseconds since the epoch.
        clock: What `now` is.
        name: What the error calls the parameter.

    Raises:
        BadRequestError: If `text` is none of these.
    """
    stripped = text.strip()
    if match := _NOW.fullmatch(stripped):
        moment_ms = to_milliseconds(clock.now()) + _parse_shift(match[1], match[2], name)
    elif _MILLISECONDS.fullmatch(stripped):
        moment_ms = int(float(stripped))
    else:
        moment_ms = _parse_rfc3339(stripped, name)
    if not _EARLIEST_MS < moment_ms < _LATEST_MS:
        raise BadRequestError(f"{name} is too far away: {_quote(text)}")
    return moment_ms


def parse_time_range(
    from_: str | None,
    to: str | None,
    max_points: int | None,
    clock: Clock,
    *,
    min_step_ms: int = _SECOND,
) -> TimeRange:
    """Return the aligned moments of the range, at most `max_points` of them.

    Args:
        from_: The start as `parse_time` reads it; an hour ago without one.
        to: The end; now without one.
        max_points: At most 2,000; 600 without one.
        clock: What `now` is.
        min_step_ms: The finest step that makes sense to the caller.

    Raises:
        BadRequestError: If a time cannot be read, the start is after the end, or `max_points`
            is out of bounds.
    """
    points = DEFAULT_MAX_POINTS if max_points is None else max_points
    if not 2 <= points <= MAX_POINTS_LIMIT:
        raise BadRequestError(f"max_points must be between 2 and {MAX_POINTS_LIMIT}")
    from_ms = parse_time(from_ or "now-1h", clock=clock, name="from")
    to_ms = parse_time(to or "now", clock=clock, name="to")
    if from_ms > to_ms:
        raise BadRequestError("from is after to")
    # Aligning both ends downwards can add one point: leave room for it.
    step_ms = choose_step(to_ms - from_ms, points - 1, min_step_ms=min_step_ms)
    return TimeRange(from_ms // step_ms * step_ms, to_ms // step_ms * step_ms, step_ms)


def choose_step(span_ms: int, max_intervals: int, *, min_step_ms: int = _SECOND) -> int:
    """Return the smallest round step that cuts `span_ms` into less than `max_intervals` pieces."""
    finest = max(min_step_ms, math.ceil((span_ms + 1) / max_intervals))
    for step in _NICE_STEPS_MS:
        if step >= finest:
            return step
    return math.ceil(finest / _DAY) * _DAY


def _parse_shift(sign: str | None, text: str | None, name: str) -> int:
    if sign is None or text is None:
        return 0
    try:
        shift_ms = round(parse_duration(text.strip()) / timedelta(milliseconds=1))
    except ValueError as error:
        raise BadRequestError(f"{name} cannot be read: {error}") from None
    return shift_ms if sign == "+" else -shift_ms


def _parse_rfc3339(text: str, name: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequestError(
            f"{name} cannot be read: {_quote(text)};"
            " write now, now-1h, 2026-01-31T12:00:00Z or milliseconds since the epoch"
        ) from None
    return to_milliseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _quote(text: str) -> str:
    return repr(text if len(text) <= 64 else f"{text[:64]}…")
