"""Jobs that fail as alerts, told to dispatch at least once and with the same identity."""

from dataclasses import replace

from resumatch_monitor.alerts.alert import ALERT_NAME, SEVERITY, Alert, AlertSink, AlertSource
from resumatch_monitor.crons.model import FailureKind, Incident
from resumatch_monitor.crons.store import IncidentBacklog
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.queue_loop import QueueLoop
from resumatch_monitor.metrics.labels import Labels

_BATCH = 100
_RETRY_SECONDS = 10.0
_NAMES = {
    FailureKind.MISSED: "CheckInMissed",
    FailureKind.FAILED: "CheckInFailed",
    FailureKind.OVER_TIME: "CheckInOverTime",
}
_WORDS = {
    FailureKind.MISSED: "did not run",
    FailureKind.FAILED: "failed",
    FailureKind.OVER_TIME: "runs for too long",
}


def make_labels(
    kind: FailureKind, *, slug: str, environment: str, project: str, severity: str
) -> dict[str, str]:
    """Return what the alert about a job is labelled with."""
    return {
        ALERT_NAME: _NAMES[kind],
        SEVERITY: severity,
        "project": project,
        "cron": slug,
        "environment": environment,
    }


def build_alert(incident: Incident) -> Alert:
    """Return the alert of an incident, resolved if it has ended."""
    labels = Labels.of(incident.labels)
    name, environment = labels.get("cron", ""), labels.get("environment", "")
    return Alert(
        labels=labels,
        annotations={
            "summary": f"{name} {_WORDS[incident.kind]} in {environment}",
            "description": incident.cause,
        },
        starts_at=incident.started_at,
        ends_at=incident.ended_at,
        source=AlertSource.HEARTBEAT,
        generator_path=incident.path,
    )


class IncidentRelay:
    """Hands incidents to the alert sink.

    One leaves the backlog only after the sink has it, so a crash in between repeats an alert,
    which the sink takes for what it is, and never loses one.
    """

    def __init__(self, *, backlog: IncidentBacklog, sink: AlertSink, clock: Clock) -> None:
        self._backlog = backlog
        self._sink = sink
        self._loop = QueueLoop(
            self.tell_batch, what="Alerts about jobs", retry_seconds=_RETRY_SECONDS, clock=clock
        )

    def wake(self) -> None:
        """Say that the backlog may have grown."""
        self._loop.wake()

    async def run(self) -> None:
        """Tell what is there, then wait for more, until cancelled."""
        await self._loop.run()

    async def tell_batch(self) -> int:
        """Tell some of what the backlog holds; return how much."""
        incidents = await self._backlog.untold(_BATCH)
        for incident in incidents:
            alert = build_alert(incident)
            if incident.ended_at is not None and not incident.is_told:
                await self._sink.put([replace(alert, ends_at=None)])
            await self._sink.put([alert])
            await self._backlog.mark_told(incident)
        return len(incidents)
