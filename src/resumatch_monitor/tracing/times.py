"""When spans really were: clocks that are wrong, and ends that are before their starts."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import median_low

from resumatch_monitor.sentry.timestamps import parse_timestamp
from resumatch_monitor.tracing.drafts import Draft

MAX_DURATION_US = 24 * 3_600 * 1_000_000
"""A longer span is cut: nothing that is traced takes more than a day."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TOLERATED_US = 60 * 1_000_000
_EARLIEST_SECONDS, _LATEST_SECONDS = 1e8, 1e11


def read_microseconds(value: object) -> int | None:
    """Read a moment in any form as microseconds since the epoch; None if it is none."""
    if isinstance(value, float) and _EARLIEST_SECONDS < value < _LATEST_SECONDS:
        return round(value * 1e6)
    moment = parse_timestamp(value)
    return None if moment is None else to_microseconds(moment)


def to_microseconds(moment: datetime) -> int:
    """Return `moment` as microseconds since the epoch."""
    return (moment - _EPOCH) // _MICROSECOND


def correct_times(
    drafts: Sequence[Draft],
    *,
    sent_at: datetime | None,
    received_at: datetime,
    oldest: timedelta,
) -> None:
    """Set all spans of an item to our clock, in place, so that their distances stay.

    The sender's clock when it sent, against ours when we received, shows how wrong it is. Where
    that is not said and most of the spans would be in the future or before everything that is
    kept, the latest of them ended on arrival. A single span out of bounds is put there alone.
    """
    if not drafts:
        return
    received_us = to_microseconds(received_at)
    shift = 0
    if sent_at is not None:
        drift = received_us - to_microseconds(sent_at)
        shift = drift if abs(drift) > _TOLERATED_US else 0
    earliest_us = received_us - oldest // _MICROSECOND
    latest_us = received_us + _TOLERATED_US
    middle_us = median_low(draft.ended_us for draft in drafts) + shift
    if not earliest_us <= middle_us <= latest_us:
        shift += received_us - middle_us
    for draft in drafts:
        _correct(draft, shift, earliest_us, latest_us, received_us)


def _correct(draft: Draft, shift: int, earliest_us: int, latest_us: int, received_us: int) -> None:
    duration = min(max(0, draft.ended_us - draft.started_us), MAX_DURATION_US)
    start = draft.started_us + shift
    if start < earliest_us or start + duration > latest_us:
        start = received_us - duration
    moved = start - draft.started_us
    draft.started_us, draft.ended_us = start, start + duration
    if moved and draft.events:
        draft.events = [replace(event, at_us=event.at_us + moved) for event in draft.events]
