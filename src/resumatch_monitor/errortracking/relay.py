"""Hands the alerts of new and regressed issues to the one way that alerts go."""

import asyncio
import logging

from resumatch_monitor.alerts.alert import (
    ALERT_NAME,
    SEVERITY,
    Alert,
    AlertSink,
    AlertSource,
)
from resumatch_monitor.errortracking.store import (
    AlertKind,
    AlertQueue,
    PendingAlert,
    StoreUnavailableError,
)
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.metrics.labels import Labels

logger = logging.getLogger(__name__)

_BATCH = 200
_RETRY_SECONDS = 5.0
_NAMES = {
    AlertKind.NEW: "NewIssue",
    AlertKind.REGRESSED: "IssueRegressed",
    AlertKind.ESCALATED: "IssueEscalating",
}
_VERBS = {
    AlertKind.NEW: "New issue",
    AlertKind.REGRESSED: "Resolved issue is back",
    AlertKind.ESCALATED: "Archived issue escalates",
}


class IssueAlertRelay:
    """Empties the queue of pending alerts into the sink.

    An alert leaves the queue after the sink has taken it; one that is put twice because of a
    crash in between has the same labels and start, so the sink knows it again.
    """

    def __init__(self, *, queue: AlertQueue, sink: AlertSink, severity: str, clock: Clock) -> None:
        self._queue = queue
        self._sink = sink
        self._severity = severity
        self._clock = clock
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Say that there are alerts."""
        self._woken.set()

    async def run(self) -> None:
        """Relay until cancelled, beginning with what an earlier process left."""
        self._woken.set()
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                while await self.relay():
                    pass
            except StoreUnavailableError as error:
                logger.warning("Alerts of issues wait: %s", error)
                await self._clock.sleep(_RETRY_SECONDS)
                self._woken.set()
            except Exception:
                # The supervisor starts the loop again, and that begins with what is left.
                self._woken.set()
                raise

    async def relay(self) -> int:
        """Hand over one batch; return how many there were."""
        pending = await self._queue.pending_alerts(_BATCH)
        if pending:
            await self._sink.put([make_alert(each, self._severity) for each in pending])
            await self._queue.clear_alerts([each.id for each in pending])
        return len(pending)


def make_alert(pending: PendingAlert, severity: str) -> Alert:
    """Return the alert that tells of a new or regressed issue."""
    issue = pending.issue
    labels = {
        ALERT_NAME: _NAMES[pending.kind],
        SEVERITY: severity,
        "project": issue.project_slug,
        "issue": issue.short_id,
    }
    if pending.kind is not AlertKind.NEW:
        # Each time it is told, so each is an alert of its own.
        labels["occurrence"] = str(pending.occurrence)
    where = f" in {issue.culprit}" if issue.culprit else ""
    release = f" (release {issue.last_release})" if issue.last_release else ""
    verb = _VERBS[pending.kind]
    return Alert(
        labels=Labels.of(labels),
        annotations={
            "summary": f"{verb}: {issue.title}"[:300],
            "description": f"{issue.short_id}: {issue.title}{where}{release}."[:800],
        },
        starts_at=pending.at,
        source=AlertSource.ISSUE,
        generator_path=f"/issues/{issue.id}",
        is_event=True,
    )
