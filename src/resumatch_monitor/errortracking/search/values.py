"""The values that fields take: numbers, flags, moments."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from resumatch_monitor.errortracking.search.query import Operator

_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,9})?([kmbKMB]?)", re.ASCII)
_FACTORS = {"": 1, "k": 1_000, "m": 1_000_000, "b": 1_000_000_000}
_SPAN = re.compile(r"([+-])(\d{1,5})([smhdw])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MINUTES_AROUND = timedelta(minutes=5)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Interval:
    """The moments from `start` and before `end`; None is open."""

    start: datetime | None
    end: datetime | None


def parse_number(text: str) -> float | None:
    """Return the number that `text` is, with Sentry's k, m and b; None if it is none."""
    if not _NUMBER.fullmatch(text):
        return None
    suffix = text[-1].lower() if text[-1].isalpha() else ""
    return float(text.rstrip("kmbKMB")) * _FACTORS[suffix]


def parse_flag(text: str) -> bool | None:
    """Return what yes or no `text` is; None if neither."""
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(
        text.lower()
    )


def parse_interval(text: str, operator: Operator, now: datetime) -> Interval | None:
    """Return the moments that a value stands for; None if it is no time.

    `-24h` is since a day ago, `+24h` before it. A day alone is that day in UTC, a moment alone
    five minutes around it.
    """
    span = _SPAN.fullmatch(text)
    if span is not None:
        if operator is not Operator.EQUAL:
            return None
        sign, amount, unit = span.groups()
        at = now - min(timedelta(seconds=int(amount) * _SECONDS[unit]), timedelta(days=36_500))
        return Interval(at, None) if sign == "-" else Interval(None, at)
    at = _parse_moment(text)
    if at is None:
        return None
    length = _DAY if _DATE.fullmatch(text) else timedelta(milliseconds=1)
    return _compare(at, length, operator)


def _compare(at: datetime, length: timedelta, operator: Operator) -> Interval:
    match operator:
        case Operator.EQUAL if length == _DAY:
            return Interval(at, at + length)
        case Operator.EQUAL:
            return Interval(at - _MINUTES_AROUND, at + _MINUTES_AROUND)
        case Operator.GREATER:
            return Interval(at + length, None)
        case Operator.GREATER_OR_EQUAL:
            return Interval(at, None)
        case Operator.LESS:
            return Interval(None, at)
        case Operator.LESS_OR_EQUAL:
            return Interval(None, at + length)


def _parse_moment(text: str) -> datetime | None:
    # Years at the edges would overflow when something is added.
    if len(text) > 40 or not "1970" <= text[:4] <= "2999":
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
