from collections.abc import Sequence
from datetime import timedelta

import pytest

from resumatch_monitor.alerts.alert import Alert, AlertStatus
from resumatch_monitor.app.storewatch import StoreWatch
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio


class Told:
    """Keeps the alerts that it is given."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    async def put(self, alerts: Sequence[Alert]) -> None:
        self.alerts.extend(alerts)


async def nobody(_: str) -> None:
    return None


async def test_people_are_told_when_samples_wait_for_long_and_when_they_do_no_more(
    clock: FakeClock,
) -> None:
    told, lag = Told(), [119.0]
    watch = StoreWatch(
        lag_seconds=lambda: lag[0],
        problem=lambda: "connection refused",
        alerts=told,
        find_firing_since=nobody,
        clock=clock,
    )

    assert await watch.look(None) is None
    lag[0] = 121.0
    since = await watch.look(None)
    clock.jump(timedelta(minutes=1))
    lag[0] = 60.0
    assert await watch.look(since) == since
    lag[0] = 0.0
    assert await watch.look(since) is None

    firing, resolved = told.alerts
    assert firing.labels["alertname"] == "MetricsStoreUnreachable"
    assert firing.status is AlertStatus.FIRING
    assert "connection refused" in firing.annotations["description"]
    assert resolved.status is AlertStatus.RESOLVED
    assert resolved.fingerprint == firing.fingerprint
    assert resolved.starts_at == firing.starts_at
