"""When jobs are to run, over changes of the clocks."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.crons.schedule import ScheduleError, read_crontab, read_interval

PARIS = "Europe/Paris"


def moments(*texts: str) -> list[datetime]:
    return [datetime.fromisoformat(text).astimezone(UTC) for text in texts]


@pytest.mark.parametrize(
    ("expression", "zone", "after", "first", "second"),
    [
        # The hour that is left out in spring: made up for right after.
        ("30 2 * * *", PARIS, "2026-03-28T12:00Z", "2026-03-29T01:00Z", "2026-03-30T00:30Z"),
        # The hour that comes twice in autumn: once.
        ("30 2 * * *", PARIS, "2026-10-24T12:00Z", "2026-10-25T00:30Z", "2026-10-26T01:30Z"),
        ("*/30 * * * *", PARIS, "2026-10-25T00:30Z", "2026-10-25T01:00Z", "2026-10-25T01:30Z"),
        ("@daily", "Asia/Tokyo", "2026-01-01T00:00Z", "2026-01-01T15:00Z", "2026-01-02T15:00Z"),
        ("0 0 29 2 *", "", "2026-01-01T00:00Z", "2028-02-29T00:00Z", "2032-02-29T00:00Z"),
    ],
)
def test_a_crontab_is_read_in_its_zone(
    expression: str, zone: str, after: str, first: str, second: str
) -> None:
    schedule = read_crontab(expression, zone)
    (moment,) = moments(after)

    for following in moments(first, second):
        found = schedule.next(moment)
        assert found == following
        moment = following


@pytest.mark.parametrize(
    ("count", "unit", "after", "expected"),
    [
        (90, "minute", "2026-01-01T00:00Z", "2026-01-01T01:30Z"),
        (1, "day", "2026-03-28T12:00Z", "2026-03-29T12:00Z"),
        (1, "month", "2026-01-31T08:00Z", "2026-02-28T08:00Z"),
        (2, "year", "2028-02-29T08:00Z", "2030-02-28T08:00Z"),
    ],
)
def test_an_interval_follows_the_last_run(count: int, unit: str, after: str, expected: str) -> None:
    moment, following = moments(after, expected)

    assert read_interval(count, unit, "UTC").next(moment) == following


def test_what_is_further_than_a_lifetime_is_never() -> None:
    assert read_interval(10_000, "year", "UTC").next(datetime(2026, 1, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("expression", "zone"),
    [
        ("", ""),
        ("* * * *", ""),
        ("* * * * * *", ""),
        ("0 0 31 2 *", ""),
        ("61 * * * *", ""),
        ("@reboot", ""),
        ("* " * 400, ""),
        ("* * * * *", "Mars/Olympus"),
        ("* * * * *", "../../etc/passwd"),
        ("* * * * *", "\0"),
    ],
)
def test_nonsense_is_told(expression: str, zone: str) -> None:
    with pytest.raises(ScheduleError):
        read_crontab(expression, zone)


@given(
    expression=st.from_regex(r"[0-9*/,\-LW#A-Z@ ]{1,30}", fullmatch=True),
    seconds=st.integers(0, 2_000_000_000),
)
def test_whatever_is_taken_has_a_next_moment_later_or_none(expression: str, seconds: int) -> None:
    try:
        schedule = read_crontab(expression, "Europe/Berlin")
    except ScheduleError:
        return
    after = datetime(1990, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    following = schedule.next(after)
    assert following is None or following > after
