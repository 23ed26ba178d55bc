from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.api.errors import BadRequestError
from resumatch_monitor.api.timerange import choose_step, parse_time, parse_time_range
from resumatch_monitor.kit.clock import to_milliseconds
from tests.support.clock import FakeClock

NOW_MS = to_milliseconds(datetime(2026, 1, 5, 12, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW_MS),
        ("now-1h", NOW_MS - 3_600_000),
        ("now-1h30m", NOW_MS - 5_400_000),
        ("now+5m", NOW_MS + 300_000),
        ("2026-01-05T12:00:00Z", NOW_MS),
        ("2026-01-05T13:00:00.500+01:00", NOW_MS + 500),
        ("1700000000000", 1_700_000_000_000),
    ],
)
def test_reads_every_form_of_time(clock: FakeClock, text: str, expected: int) -> None:
    assert parse_time(text, clock=clock) == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "now-1parsec", "now-", "12:00", "9" * 15, "-" + "9" * 15, "nan"]
)
def test_says_what_a_time_looks_like(clock: FakeClock, text: str) -> None:
    with pytest.raises(BadRequestError, match="from"):
        parse_time(text, clock=clock, name="from")


def test_defaults_to_the_last_hour(clock: FakeClock) -> None:
    time_range = parse_time_range(None, None, None, clock)

    assert (time_range.from_ms, time_range.to_ms) == (NOW_MS - 3_600_000, NOW_MS)
    assert time_range.step_ms == 10_000


def test_refuses_a_start_after_the_end(clock: FakeClock) -> None:
    with pytest.raises(BadRequestError, match="after"):
        parse_time_range("now", "now-1h", 100, clock)


@pytest.mark.parametrize("max_points", [0, 1, 2_001, -5])
def test_bounds_the_number_of_points(clock: FakeClock, max_points: int) -> None:
    with pytest.raises(BadRequestError, match="max_points"):
        parse_time_range("now-1h", "now", max_points, clock)


@given(
    start=st.integers(0, 2 * 10**12),
    span=st.integers(0, 10**12),
    max_points=st.integers(2, 2_000),
)
def test_is_aligned_and_never_has_too_many_points(start: int, span: int, max_points: int) -> None:
    time_range = parse_time_range(str(start), str(start + span), max_points, FakeClock())

    assert time_range.from_ms % time_range.step_ms == 0
    assert time_range.to_ms % time_range.step_ms == 0
    assert time_range.from_ms <= start
    assert start + span - time_range.step_ms < time_range.to_ms <= start + span
    assert time_range.point_count <= max_points


def test_takes_a_finest_step(clock: FakeClock) -> None:
    assert parse_time_range("now-5m", "now", 600, clock, min_step_ms=15_000).step_ms == 15_000


def test_steps_beyond_the_table_are_whole_days() -> None:
    assert choose_step(10_000 * 86_400_000, 100) % 86_400_000 == 0
