from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.kit.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", timedelta(0)),
        ("0s", timedelta(0)),
        ("250ms", timedelta(milliseconds=250)),
        ("90s", timedelta(seconds=90)),
        ("1h30m", timedelta(minutes=90)),
        ("1m1ms", timedelta(seconds=60, milliseconds=1)),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
        ("1y", timedelta(days=365)),
    ],
)
def test_reads_durations_as_prometheus_writes_them(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text", ["", "5", "5 m", "m", "30m1h", "1h1h", "-5m", "1.5h", "5min", "99999999999999y"]
)
def test_refuses_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        (timedelta(0), "0s"),
        (timedelta(microseconds=400), "0s"),
        (timedelta(minutes=90), "1h30m"),
        (timedelta(days=30), "30d"),
        (timedelta(seconds=-90), "-1m30s"),
    ],
)
def test_writes_the_fewest_units(duration: timedelta, expected: str) -> None:
    assert format_duration(duration) == expected


@given(st.integers(0, 10**14))
def test_what_is_written_reads_the_same(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)

    assert parse_duration(format_duration(duration)) == duration
