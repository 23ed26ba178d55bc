"""Tells people that the metrics store takes no samples.

A rule could not: rules keep their alerts as they are while the store lacks the latest samples.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime

from resumatch_monitor.alerts.alert import ALERT_NAME, SEVERITY, Alert, AlertSink, AlertSource
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.metrics.labels import Labels

_INTERVAL_SECONDS = 15.0
_FIRES_ABOVE_SECONDS = 120.0
_ENDS_BELOW_SECONDS = 30.0
_LABELS = Labels.of({ALERT_NAME: "MetricsStoreUnreachable", SEVERITY: "critical"})


class StoreWatch:
    """Puts an alert when samples have waited for long, and its end when none do."""

    def __init__(
        self,
        *,
        lag_seconds: Callable[[], float],
        problem: Callable[[], str],
        alerts: AlertSink,
        find_firing_since: Callable[[str], Awaitable[datetime | None]],
        clock: Clock,
    ) -> None:
        """Look at nothing yet.

        Args:
            lag_seconds: How long the oldest sample has waited.
            problem: Why, if it is known.
            alerts: Where the alert goes.
            find_firing_since: Since when the alert with a fingerprint fires, None if it does not.
            clock: What time it is.
        """
        self._lag_seconds = lag_seconds
        self._problem = problem
        self._alerts = alerts
        self._find_firing_since = find_firing_since
        self._clock = clock

    async def run(self) -> None:
        """Look every so often, for ever."""
        since = await self._find_firing_since(_LABELS.fingerprint)
        while True:
            since = await self.look(since)
            await self._clock.sleep(_INTERVAL_SECONDS)

    async def look(self, since: datetime | None) -> datetime | None:
        """Look once; return since when the store takes no samples."""
        lag = self._lag_seconds()
        now = self._clock.now()
        if since is None and lag > _FIRES_ABOVE_SECONDS:
            await self._alerts.put([self._build_alert(now, None, lag)])
            return now
        if since is not None and lag < _ENDS_BELOW_SECONDS:
            await self._alerts.put([self._build_alert(since, max(now, since), lag)])
            return None
        return since

    def _build_alert(self, since: datetime, ends_at: datetime | None, lag: float) -> Alert:
        return Alert(
            labels=_LABELS,
            annotations={
                "summary": f"The metrics store has taken no samples for {lag:.0f} s",
                "description": (
                    f"{self._problem() or 'It is slower than samples come in'}. Samples wait in the"
                    " queue on the monitor's disk; rules keep their alerts as they are."
                ),
                "runbook": (
                    "See that the server of metrics.store runs and can be reached. The queue is"
                    " sent by itself; resumatch_monitor_remote_write_lag_seconds says how far"
                    " behind it is."
                ),
            },
            starts_at=since,
            ends_at=ends_at,
            source=AlertSource.MONITOR,
            value=lag,
        )
