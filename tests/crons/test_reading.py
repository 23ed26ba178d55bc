"""What check-ins say, and what nonsense in them does."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.crons.model import CheckIn, RunStatus
from resumatch_monitor.crons.reading import CheckInError, read_check_in
from resumatch_monitor.sentry.items import ItemKind, ItemRecord


def read(payload: Any) -> CheckIn:
    data = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    at = datetime(2026, 1, 5, 12, tzinfo=UTC)
    return read_check_in(ItemRecord(ItemKind.CHECK_IN, 1, "a" * 32, at, data))


def test_a_check_in_of_sentry_cli_is_read() -> None:
    found = read(
        {
            "check_in_id": "9F86D081-884C-4D65-9A2F-EAA0C55AD015",
            "monitor_slug": "Nightly Report!",
            "status": "ok",
            "duration": 12.5,
            "environment": "eu/staging",
            "monitor_config": {
                "schedule": {"type": "crontab", "value": "0 2 * * *"},
                "timezone": "Europe/Berlin",
                "checkin_margin": 5,
                "max_runtime": 0,
                "failure_issue_threshold": 3,
                "recovery_threshold": None,
            },
        }
    )

    assert (found.slug, found.environment) == ("nightly-report", "eu-staging")
    assert found.check_in_id == "9f86d081884c4d659a2feaa0c55ad015"
    assert (found.status, found.duration) == (RunStatus.OK, timedelta(seconds=12.5))
    assert found.config is not None
    assert found.config.margin == timedelta(minutes=5)
    assert found.config.max_runtime == timedelta(minutes=1)
    assert (found.config.failure_threshold, found.config.recovery_threshold) == (3, 1)


def test_a_schedule_that_cannot_be_read_leaves_the_check_in() -> None:
    schedule = {"type": "crontab", "value": "every day"}
    found = read({"monitor_slug": "a", "status": "ok", "monitor_config": {"schedule": schedule}})

    assert found.config is None
    assert "five fields" in found.problem


@pytest.mark.parametrize(
    "payload",
    [
        b"{",
        [],
        {"status": "ok"},
        {"monitor_slug": "a"},
        {"monitor_slug": "!", "status": "ok"},
        {"monitor_slug": "a", "status": "missed"},
    ],
)
def test_what_is_no_check_in_is_told(payload: Any) -> None:
    with pytest.raises(CheckInError):
        read(payload)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(
    st.fixed_dictionaries(
        {"monitor_slug": st.text(max_size=80), "status": st.just("ok")},
        optional={
            "duration": _JSON,
            "environment": _JSON,
            "check_in_id": _JSON,
            "monitor_config": st.dictionaries(
                st.sampled_from(["schedule", "timezone", "checkin_margin", "max_runtime"]), _JSON
            )
            | _JSON,
        },
    )
)
def test_nothing_else_is_raised(payload: dict[str, Any]) -> None:
    try:
        data = orjson.dumps(payload)
    except TypeError:
        return
    try:
        found = read(data)
    except CheckInError:
        return
    assert found.slug
    assert found.environment
