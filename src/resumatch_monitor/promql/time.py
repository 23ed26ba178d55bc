"""Functions of the calendar, in UTC.

Each takes (S, T) seconds since the epoch and returns (S, T).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from resumatch_monitor.metrics.samples import FloatArray

_SecondArray = npt.NDArray[np.datetime64]

# After so many seconds the calendar, week days included, begins anew.
_CYCLE_YEARS = 400
_CYCLE_SECONDS = 146_097 * 86_400
_INT64_END = 2.0**63
# What Go makes of a number that is none of 64 bits: 2**63 seconds after the epoch.
_BEYOND_CYCLES, _BEYOND_SECONDS = divmod(2**63, _CYCLE_SECONDS)


def _split(values: FloatArray) -> tuple[_SecondArray, FloatArray]:
    """Return the moments within one cycle of the calendar, and how many years were left out."""
    inside = np.isfinite(values) & (np.abs(values) < _INT64_END)
    seconds = np.trunc(np.where(inside, values, 0.0)).astype(np.int64)
    cycles, rest = np.divmod(seconds, _CYCLE_SECONDS)
    rest = np.where(inside, rest, _BEYOND_SECONDS)
    years = np.where(inside, cycles, _BEYOND_CYCLES) * float(_CYCLE_YEARS)
    return rest.astype("datetime64[s]"), years


def _since(moments: _SecondArray, larger: str, smaller: str) -> FloatArray:
    """Count the `smaller` units since the `larger` unit began."""
    begin = moments.astype(f"datetime64[{larger}]").astype(f"datetime64[{smaller}]")
    passed = moments.astype(f"datetime64[{smaller}]") - begin
    return passed.astype(np.int64).astype(np.float64)


def _minute(moments: _SecondArray) -> FloatArray:
    return _since(moments, "h", "m")


def _hour(moments: _SecondArray) -> FloatArray:
    return _since(moments, "D", "h")


def _day_of_week(moments: _SecondArray) -> FloatArray:
    # The epoch was a Thursday, and Sunday is 0.
    days = moments.astype("datetime64[D]").astype(np.int64)
    return ((days + 4) % 7).astype(np.float64)


def _day_of_month(moments: _SecondArray) -> FloatArray:
    return _since(moments, "M", "D") + 1


def _day_of_year(moments: _SecondArray) -> FloatArray:
    return _since(moments, "Y", "D") + 1


def _days_in_month(moments: _SecondArray) -> FloatArray:
    month = moments.astype("datetime64[M]")
    days = (month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")
    return days.astype(np.int64).astype(np.float64)


def _month(moments: _SecondArray) -> FloatArray:
    return _since(moments, "Y", "M") + 1


def _year(moments: _SecondArray) -> FloatArray:
    return moments.astype("datetime64[Y]").astype(np.int64).astype(np.float64) + 1970


_PARTS: dict[str, Callable[[_SecondArray], FloatArray]] = {
    "minute": _minute,
    "hour": _hour,
    "day_of_week": _day_of_week,
    "day_of_month": _day_of_month,
    "day_of_year": _day_of_year,
    "days_in_month": _days_in_month,
    "month": _month,
    "year": _year,
}

CALENDAR_FUNCTIONS = frozenset(_PARTS)


def calendar_part(name: str, values: FloatArray) -> FloatArray:
    """Return the part `name` of the calendar at `values`, seconds since the epoch."""
    moments, years = _split(values)
    part = _PARTS[name](moments)
    return part + years if name == "year" else part
