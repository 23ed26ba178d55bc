"""Moments in all the forms in which clients write them, and clocks that are wrong."""

import math
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta

_LARGEST_SECONDS = 1e11
_LARGEST_MILLISECONDS = 1e14
_LARGEST_MICROSECONDS = 1e17
_TOLERATED_DRIFT = timedelta(minutes=1)


def parse_timestamp(value: object) -> datetime | None:
    """Read seconds, milli-, micro- or nanoseconds since the epoch, or ISO 8601; None if neither.

    The first and the last year that a `datetime` has are no answer: what is rounded or moved to
    another zone would leave them, and zero times are written as the first.
    """
    moment = None
    if isinstance(value, str):
        moment = _from_text(value.strip())
    elif isinstance(value, int | float) and not isinstance(value, bool):
        moment = _from_number(value)
    return moment if moment is not None and MINYEAR < moment.year < MAXYEAR else None


def correct_clock(
    stated: datetime | None,
    *,
    sent_at: datetime | None,
    received_at: datetime,
    oldest: timedelta,
) -> datetime:
    """Return when an event really occurred.

    The client's clock when it sent, against ours when we received, shows how wrong it is. An
    event from the future or from before everything that is kept counts as occurring on arrival.
    """
    if stated is None:
        return received_at
    if sent_at is not None and abs(received_at - sent_at) > _TOLERATED_DRIFT:
        try:
            stated += received_at - sent_at
        except OverflowError:
            return received_at
    if stated > received_at + _TOLERATED_DRIFT or stated < received_at - oldest:
        return received_at
    return min(stated, received_at)


def _from_number(value: float) -> datetime | None:
    if not math.isfinite(value) or value <= 0:
        return None
    if value > _LARGEST_MICROSECONDS:
        value /= 1e9
    elif value > _LARGEST_MILLISECONDS:
        value /= 1e6
    elif value > _LARGEST_SECONDS:
        value /= 1e3
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _from_text(text: str) -> datetime | None:
    if len(text) > 64:
        return None
    try:
        return _from_number(float(text))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
        # A moment without a zone is UTC by Sentry's definition.
        aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return aware.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
