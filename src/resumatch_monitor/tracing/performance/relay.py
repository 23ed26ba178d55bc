"""Tells of what was found wrong in requests, each thing once."""

from collections.abc import Callable
from urllib.parse import urlencode

from resumatch_monitor.alerts.alert import ALERT_NAME, SEVERITY, Alert, AlertSink, AlertSource
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.queue_loop import QueueLoop
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.tracing.performance.model import FindingKind
from resumatch_monitor.tracing.performance.store import Finding, PerformanceStore

_BATCH = 100
_RETRY_SECONDS = 10.0
_NAMES = {
    FindingKind.N_PLUS_ONE: "RepeatedQuery",
    FindingKind.SLOW_QUERY: "SlowQuery",
    FindingKind.CONSECUTIVE_HTTP: "ConsecutiveRequests",
}


class FindingRelay:
    """Puts an alert for each finding that nobody was told of."""

    def __init__(
        self,
        *,
        store: PerformanceStore,
        sink: AlertSink,
        severity: str,
        slug_of: Callable[[int], str],
        clock: Clock,
    ) -> None:
        """Build it.

        Args:
            store: What was found.
            sink: Where alerts go.
            severity: Of the alerts; `none` for no alerts at all.
            slug_of: The slug of a project.
            clock: When to try again.
        """
        self._store = store
        self._sink = sink
        self._severity = severity
        self._is_telling = severity != "none"
        self._slug_of = slug_of
        self._loop = QueueLoop(
            self.relay, what="Alerts of findings", retry_seconds=_RETRY_SECONDS, clock=clock
        )

    def wake(self) -> None:
        """Say that there may be findings."""
        self._loop.wake()

    async def run(self) -> None:
        """Relay until cancelled, beginning with what an earlier process left."""
        await self._loop.run()

    async def relay(self) -> int:
        """Hand over one batch; return how many there were."""
        findings = await self._store.untold_findings(_BATCH)
        if findings:
            alerts = [self._make_alert(each) for each in findings] if self._is_telling else []
            if alerts:
                await self._sink.put(alerts)
            await self._store.mark_told(findings, alerts)
        return len(findings)

    def _make_alert(self, finding: Finding) -> Alert:
        query = {"project": finding.project_id, "name": finding.endpoint, "op": finding.op}
        labels = {
            ALERT_NAME: _NAMES[finding.kind],
            SEVERITY: self._severity,
            "project": self._slug_of(finding.project_id),
            "environment": finding.environment,
            "endpoint": finding.endpoint,
            "finding": str(finding.id),
        }
        issue = finding.issue
        path = f"/performance/endpoint?{urlencode(query)}"
        if issue is not None:
            labels["issue"] = issue.short_id
            path = f"/issues/{issue.id}"
        is_back = "Again: " if issue is not None and issue.times_back else ""
        return Alert(
            labels=Labels.of(labels),
            annotations={
                "summary": f"{is_back}{describe(finding)} in {finding.endpoint}"[:300],
                "description": finding.title[:800],
            },
            starts_at=finding.last_seen_at if is_back else finding.first_seen_at,
            source=AlertSource.PERFORMANCE,
            generator_path=path,
            # Its end is that of its issue.
            is_event=issue is None,
        )


def describe(finding: Finding) -> str:
    """Return in a few words what is wrong."""
    longest = _render_duration(finding.longest_us)
    if finding.kind is FindingKind.SLOW_QUERY:
        return f"A query took {longest}"
    if finding.kind is FindingKind.N_PLUS_ONE:
        return f"The same query ran {finding.most_repeats} times in a row ({longest})"
    return f"{finding.most_repeats} slow requests were made one after the other ({longest})"


def _render_duration(microseconds: int) -> str:
    seconds = microseconds / 1e6
    return f"{seconds:,.1f} s" if seconds >= 1 else f"{seconds * 1_000:.0f} ms"
