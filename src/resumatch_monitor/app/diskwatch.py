"""Tells people that the disk is nearly full, before ingest stops and rules with it.

A rule could not: when there is no room for samples, there are none to evaluate.
"""

import shutil
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

from resumatch_monitor.alerts.alert import ALERT_NAME, SEVERITY, Alert, AlertSink, AlertSource
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.metrics.labels import Labels

_INTERVAL_SECONDS = 15.0
_LEAST_BYTES = 64 * 1024 * 1024
_MIB = 1024 * 1024
_LABELS = Labels.of({ALERT_NAME: "MonitorDiskNearlyFull", SEVERITY: "critical"})

FindFiringSince = Callable[[str], Awaitable[datetime | None]]
"""Returns since when the alert with a fingerprint fires, None if it does not."""


class DiskWatch:
    """Puts an alert when little disk is left, and its end when there is enough again."""

    def __init__(
        self,
        *,
        folder: Path,
        min_free_bytes: int,
        alerts: AlertSink,
        find_firing_since: FindFiringSince,
        clock: Clock,
        free_bytes: Callable[[Path], int] | None = None,
    ) -> None:
        self._folder = folder
        self._fires_below = max(_LEAST_BYTES, min_free_bytes * 3 // 2)
        # Not at the same number: free space goes up and down.
        self._ends_above = self._fires_below * 5 // 4
        self._alerts = alerts
        self._find_firing_since = find_firing_since
        self._clock = clock
        self._free_bytes = free_bytes or _free_bytes

    async def run(self) -> None:
        """Look every so often, for ever."""
        since = await self._find_firing_since(_LABELS.fingerprint)
        while True:
            since = await self.look(since)
            await self._clock.sleep(_INTERVAL_SECONDS)

    async def look(self, since: datetime | None) -> datetime | None:
        """Look once; return since when the disk is nearly full."""
        free = self._free_bytes(self._folder)
        now = self._clock.now()
        if since is None and free < self._fires_below:
            await self._alerts.put([self._build_alert(now, None, free)])
            return now
        if since is not None and free > self._ends_above:
            await self._alerts.put([self._build_alert(since, max(now, since), free)])
            return None
        return since

    def _build_alert(self, since: datetime, ends_at: datetime | None, free: int) -> Alert:
        return Alert(
            labels=_LABELS,
            annotations={
                "summary": f"Only {free // _MIB} MiB of the monitor's own disk are free",
                "description": (
                    "Below storage.min_free_bytes the monitor takes no events and samples, and"
                    " rules keep their alerts as they are."
                ),
                "runbook": (
                    "Make room on the disk, or shorten errors.retention and metrics.retention."
                    " Nothing has to be restarted."
                ),
            },
            starts_at=since,
            ends_at=ends_at,
            source=AlertSource.MONITOR,
            value=float(free),
        )


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free
