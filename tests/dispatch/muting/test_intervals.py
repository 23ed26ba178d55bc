"""Time intervals: Alertmanager's grammar, and when one begins and ends across clock changes."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from resumatch_monitor.dispatch.muting.intervals import TimeInterval, build_intervals
from resumatch_monitor.dispatch.policy.interval_config import (
    NamedIntervalConfig,
    TimeIntervalConfig,
)

BERLIN = ZoneInfo("Europe/Berlin")
_MINUTE = timedelta(minutes=1)


def build(*intervals: dict[str, Any]) -> TimeInterval:
    config = NamedIntervalConfig.model_validate({"name": "x", "time_intervals": list(intervals)})
    return build_intervals([config])["x"]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def times(*pairs: str) -> list[dict[str, str]]:
    return [dict(zip(("start_time", "end_time"), pair.split("-"), strict=True)) for pair in pairs]


NIGHT = times("22:00-24:00", "00:00-06:00")


@pytest.mark.parametrize(
    ("interval", "moment", "expected"),
    [
        ({}, "2026-01-05T12:00", True),
        ({"times": times("09:00-17:00")}, "2026-01-05T09:00", True),
        ({"times": times("09:00-17:00")}, "2026-01-05T16:59:59", True),
        ({"times": times("09:00-17:00")}, "2026-01-05T17:00", False),
        ({"times": NIGHT}, "2026-01-05T23:59", True),
        ({"times": NIGHT}, "2026-01-06T00:00", True),
        ({"weekdays": ["monday:friday"]}, "2026-01-05T12:00", True),
        ({"weekdays": ["monday:friday"]}, "2026-01-04T12:00", False),
        ({"weekdays": ["Saturday", "sunday"]}, "2026-01-04T12:00", True),
        ({"days_of_month": ["1:5", "-3:-1"]}, "2026-01-05T12:00", True),
        ({"days_of_month": ["1:5", "-3:-1"]}, "2026-01-06T12:00", False),
        ({"days_of_month": ["1:5", "-3:-1"]}, "2026-01-29T12:00", True),
        ({"days_of_month": ["-1"]}, "2026-02-28T12:00", True),
        ({"days_of_month": ["-1"]}, "2028-02-28T12:00", False),
        ({"days_of_month": ["10:-10"]}, "2026-02-19T12:00", True),
        ({"days_of_month": ["10:-10"]}, "2026-02-20T12:00", False),
        ({"days_of_month": ["30:31"]}, "2026-02-28T12:00", False),
        ({"days_of_month": [5]}, "2026-01-05T12:00", True),
        ({"months": ["december", "1:3"]}, "2026-01-05T12:00", True),
        ({"months": ["december", "1:3"]}, "2026-04-01T00:00", False),
        ({"months": ["may:august"]}, "2026-08-31T23:59", True),
        ({"years": ["2026:2027", 2030]}, "2026-01-05T12:00", True),
        ({"years": ["2026:2027", 2030]}, "2028-01-05T12:00", False),
        ({"times": NIGHT, "location": "Europe/Berlin"}, "2026-01-05T21:00", True),
        ({"times": NIGHT, "location": "Europe/Berlin"}, "2026-07-05T20:00", True),
        ({"weekdays": ["tuesday"], "location": "Asia/Tokyo"}, "2026-01-05T15:00", True),
    ],
)
def test_what_lies_in_an_interval(interval: dict[str, Any], moment: str, expected: bool) -> None:
    assert build(interval).is_active(utc(moment)) is expected


def test_any_of_several_intervals_will_do_and_none_never_holds() -> None:
    weekend_or_night = build({"weekdays": ["saturday", "sunday"]}, {"times": NIGHT})

    assert weekend_or_night.is_active(utc("2026-01-04T12:00"))
    assert weekend_or_night.is_active(utc("2026-01-05T23:00"))
    assert not weekend_or_night.is_active(utc("2026-01-05T12:00"))
    assert not build().is_active(utc("2026-01-05T12:00"))


@pytest.mark.parametrize(
    ("interval", "complaint"),
    [
        ({"times": [{"start_time": "9:00", "end_time": "17:00"}]}, "no time of day"),
        ({"times": [{"start_time": "17:00", "end_time": "09:00"}]}, "write a night as two"),
        ({"times": [{"start_time": "17:00", "end_time": "24:01"}]}, "no time of day"),
        ({"times": []}, "at least 1"),
        ({"weekdays": ["monday:sunday"]}, "ends before it begins"),
        ({"weekdays": ["mon"]}, "'mon' is no weekday"),
        ({"weekdays": ["1"]}, "no weekday"),
        ({"days_of_month": ["0"]}, "no day 0"),
        ({"days_of_month": ["32"]}, "no day of the month"),
        ({"days_of_month": ["5:1"]}, "ends before it begins"),
        ({"days_of_month": ["-1:-3"]}, "ends before it begins"),
        ({"days_of_month": ["-3:1"]}, "count both days from the end"),
        ({"days_of_month": [65]}, "into quotes"),
        ({"days_of_month": ["1:2:3"]}, "no day of the month"),
        ({"months": ["13"]}, "no month"),
        ({"months": ["november:february"]}, "write it as two"),
        ({"years": ["two thousand"]}, "no year"),
        ({"years": ["99999"]}, "no year"),
        ({"location": "Europe/Nowhere"}, "no time zone 'Europe/Nowhere'"),
        ({"location": "../../etc/passwd"}, "no time zone"),
        ({"location": "Europe"}, "no time zone"),
        ({"location": ""}, "no time zone"),
        ({"holidays": ["all"]}, "Extra inputs"),
    ],
)
def test_what_is_no_interval_is_refused_with_a_reason(
    interval: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValidationError, match=complaint):
        TimeIntervalConfig.model_validate(interval)


def test_a_time_that_yaml_takes_for_a_number_is_read() -> None:
    interval = build({"times": [{"start_time": 17 * 60 + 30, "end_time": 18 * 60}]})

    assert interval.is_active(utc("2026-01-05T17:30"))
    assert not interval.is_active(utc("2026-01-05T18:00"))


@pytest.mark.parametrize(
    ("interval", "moment", "expected"),
    [
        ({"times": times("09:00-17:00")}, "2026-01-05T08:00:30", "2026-01-05T09:00"),
        ({"times": times("09:00-17:00")}, "2026-01-05T09:00", "2026-01-05T17:00"),
        ({"times": NIGHT}, "2026-01-05T22:00", "2026-01-06T06:00"),
        ({"weekdays": ["saturday", "sunday"]}, "2026-01-05T12:00", "2026-01-10T00:00"),
        ({"years": ["2027"]}, "2026-01-05T12:00", "2027-01-01T00:00"),
        ({"years": ["2030"]}, "2026-01-05T12:00", None),
        ({}, "2026-01-05T12:00", None),
        # Berlin springs from 02:00 to 03:00 on 29 March and falls from 03:00 to 02:00 on
        # 25 October 2026, both at 01:00 UTC.
        (
            {"times": times("02:30-03:30"), "location": "Europe/Berlin"},
            "2026-03-29T00:00",
            "2026-03-29T01:00",
        ),
        (
            {"times": times("02:10-02:50"), "location": "Europe/Berlin"},
            "2026-03-29T00:00",
            "2026-03-30T00:10",
        ),
        (
            {"times": times("02:10-02:50"), "location": "Europe/Berlin"},
            "2026-10-25T00:50",
            "2026-10-25T01:10",
        ),
        (
            {"times": times("01:00-02:30"), "location": "Europe/Berlin"},
            "2026-10-25T00:45",
            "2026-10-25T01:00",
        ),
        # Beirut springs from 00:00 to 01:00: the day has no midnight.
        (
            {"weekdays": ["sunday"], "location": "Asia/Beirut"},
            "2026-03-28T12:00",
            "2026-03-28T22:00",
        ),
    ],
)
def test_when_an_interval_begins_or_ends(
    interval: dict[str, Any], moment: str, expected: str | None
) -> None:
    change = build(interval).next_change(utc(moment))

    assert change == (None if expected is None else utc(expected))


def _spans(names: list[str]) -> st.SearchStrategy[str]:
    positions = st.integers(0, len(names) - 1)
    return st.tuples(positions, positions).map(
        lambda pair: f"{names[min(pair)]}:{names[max(pair)]}"
    )


def _time_range(pair: tuple[int, int]) -> dict[str, str]:
    first, last = min(pair), max(pair) + 1
    return {
        "start_time": f"{first // 60:02}:{first % 60:02}",
        "end_time": f"{last // 60:02}:{last % 60:02}",
    }


_minutes = st.integers(0, 24 * 60 - 1)
_INTERVALS = st.fixed_dictionaries(
    {
        "location": st.sampled_from(
            ["UTC", "Europe/Berlin", "Asia/Beirut", "Australia/Lord_Howe", "America/St_Johns"]
        )
    },
    optional={
        "times": st.lists(st.tuples(_minutes, _minutes).map(_time_range), min_size=1, max_size=2),
        "weekdays": st.lists(
            _spans(["sunday", "monday", "tuesday", "friday", "saturday"]), min_size=1, max_size=2
        ),
        "days_of_month": st.lists(
            st.sampled_from(["1:10", "-5:-1", "15:-10", "29", "25:31"]), min_size=1, max_size=2
        ),
    },
)
# Around clock changes, two of them at midnight.
_MOMENTS = st.sampled_from(
    [
        datetime(2026, 3, 28, tzinfo=UTC),
        datetime(2026, 10, 24, tzinfo=UTC),
        datetime(2026, 10, 31, tzinfo=UTC),
        datetime(2010, 11, 6, tzinfo=UTC),
        datetime(2026, 4, 4, 12, tzinfo=UTC),
    ]
).flatmap(lambda day: st.integers(0, 36 * 60).map(lambda minutes: day + minutes * _MINUTE))


@settings(max_examples=60, deadline=None)
@given(st.lists(_INTERVALS, min_size=1, max_size=2), _MOMENTS)
def test_the_next_change_is_the_first_minute_that_differs(
    configs: list[dict[str, Any]], now: datetime
) -> None:
    interval = build(*configs)
    change = interval.next_change(now)
    is_active = interval.is_active(now)

    for minutes in range(1, 36 * 60):
        moment = now + minutes * _MINUTE
        if interval.is_active(moment) != is_active:
            assert change == moment
            return
        assert change is None or change > moment
