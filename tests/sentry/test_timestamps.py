from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.kit.clock import from_milliseconds, to_milliseconds
from resumatch_monitor.sentry.timestamps import correct_clock, parse_timestamp

_MOMENT = datetime(2026, 11, 23, 12, 35, 24, tzinfo=UTC)
_SECONDS = _MOMENT.timestamp()


@pytest.mark.parametrize(
    "value",
    [
        _SECONDS, int(_SECONDS), int(_SECONDS * 1e3), int(_SECONDS * 1e6), int(_SECONDS) * 10**9,
        str(_SECONDS), "2026-11-23T12:35:24Z", "2026-11-23T12:35:24.000000", "20261123T123524Z",
        "2026-11-23 12:35:24+00:00", "2026-11-23T14:35:24+02:00", " 2026-11-23T12:35:24Z ",
    ],
)  # fmt: skip
def test_reads_every_form(value: object) -> None:
    assert parse_timestamp(value) == _MOMENT


@pytest.mark.parametrize(
    "value",
    [
        None, True, "", "soon", -1, 0, float("nan"), float("inf"), 1e30, [], {}, "9" * 70,
        "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z",
    ],
)  # fmt: skip
def test_leaves_out_what_is_no_moment(value: object) -> None:
    assert parse_timestamp(value) is None


@given(st.one_of(st.text(), st.floats(), st.integers(), st.datetimes().map(str)))
def test_never_fails(value: object) -> None:
    moment = parse_timestamp(value)
    assert moment is None or moment.tzinfo is not None
    assert moment is None or from_milliseconds(to_milliseconds(moment)).tzinfo is not None


@pytest.mark.parametrize(
    ("stated_minutes", "sent_minutes", "expected_minutes"),
    [
        (-5, 0, -5),
        (-5, None, -5),
        (None, None, 0),
        (55, 60, -5),
        (-65, -60, -5),
        (30, None, 0),
        (0.5, 0.5, 0),
        (-60 * 24 * 100, None, 0),
    ],
)
def test_corrects_clocks(
    stated_minutes: float | None, sent_minutes: float | None, expected_minutes: float
) -> None:
    def moment(minutes: float | None) -> datetime | None:
        return None if minutes is None else _MOMENT + timedelta(minutes=minutes)

    corrected = correct_clock(
        moment(stated_minutes),
        sent_at=moment(sent_minutes),
        received_at=_MOMENT,
        oldest=timedelta(days=90),
    )

    assert corrected == moment(expected_minutes)
