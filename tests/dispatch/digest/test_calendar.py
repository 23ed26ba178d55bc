"""When digests are due, across changes of the clocks."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.dispatch.digest.calendar import Calendar

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "latest", "following"),
    [
        # Winter: UTC+1.
        ("2026-01-10 07:59", "2026-01-09 08:00", "2026-01-10 08:00"),
        ("2026-01-10 08:00", "2026-01-10 08:00", "2026-01-11 08:00"),
        # Clocks go forward on 29 March: nine o'clock comes an hour earlier.
        ("2026-03-28 12:00", "2026-03-28 08:00", "2026-03-29 07:00"),
        # And back on 25 October.
        ("2026-10-24 12:00", "2026-10-24 07:00", "2026-10-25 08:00"),
    ],
)
def test_nine_o_clock_in_berlin(now: str, latest: str, following: str) -> None:
    calendar = Calendar(time(9), BERLIN)

    assert calendar.latest(utc(now)) == utc(latest)
    assert calendar.next(utc(now)) == utc(following)


def test_a_time_that_the_clocks_skip_is_due_after_they_have_skipped_it() -> None:
    calendar = Calendar(time(2, 30), BERLIN)

    assert calendar.next(utc("2026-03-28 12:00")) == utc("2026-03-29 01:30")
    assert calendar.next(utc("2026-03-29 01:30")) == utc("2026-03-30 00:30")


def test_a_time_that_the_clocks_show_twice_is_due_once() -> None:
    calendar = Calendar(time(2, 30), BERLIN)

    assert calendar.next(utc("2026-10-24 12:00")) == utc("2026-10-25 00:30")
    assert calendar.next(utc("2026-10-25 00:30")) == utc("2026-10-26 01:30")


def test_a_week_begins_on_its_day() -> None:
    calendar = Calendar(time(9), BERLIN, weekday=0)

    # 2026-01-05 is a Monday.
    assert calendar.latest(utc("2026-01-05 07:59")) == utc("2025-12-29 08:00")
    assert calendar.latest(utc("2026-01-05 08:00")) == utc("2026-01-05 08:00")
    assert calendar.next(utc("2026-01-05 08:00")) == utc("2026-01-12 08:00")


@given(
    zone=st.sampled_from(ZONES),
    at=st.times(),
    weekday=st.none() | st.integers(0, 6),
    now=st.integers(0, 18 * 365 * 24 * 3600),
)
def test_now_lies_between_two_neighbours(
    zone: str, at: time, weekday: int | None, now: int
) -> None:
    calendar = Calendar(at, ZoneInfo(zone), weekday)
    moment = datetime(2011, 12, 20, tzinfo=UTC) + timedelta(seconds=now)

    latest, following = calendar.latest(moment), calendar.next(moment)

    assert latest <= moment < following
    assert calendar.next(latest) == following
    assert calendar.latest(following) == following
    longest = timedelta(days=1 if weekday is None else 7, hours=24)
    assert following - latest <= longest
