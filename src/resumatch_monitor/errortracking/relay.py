"""Hands the alerts about issues to the one way that alerts go."""

from collections.abc import Mapping, Sequence
from typing import Any

from resumatch_monitor.alerts.alert import Alert, AlertSink
from resumatch_monitor.errortracking.alerting.config import StormConfig
from resumatch_monitor.errortracking.alerting.messages import (
    make_alert,
    make_end,
    make_storm_alert,
)
from resumatch_monitor.errortracking.alerting.storm import (
    Storm,
    StormKey,
    StormPlan,
    plan_storms,
)
from resumatch_monitor.errortracking.store import (
    AlertQueue,
    OpenAlert,
    PendingAlert,
)
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.queue_loop import QueueLoop

_BATCH = 200
_RETRY_SECONDS = 5.0


class IssueAlertRelay:
    """Empties the queue of pending alerts into the sink.

    An alert leaves the queue after the sink has taken it; one that is put twice because of a
    crash in between has the same labels and start, so the sink knows it again.
    """

    def __init__(
        self,
        *,
        queue: AlertQueue,
        sink: AlertSink,
        severity: str,
        clock: Clock,
        storm: StormConfig | None = None,
    ) -> None:
        self._queue = queue
        self._sink = sink
        self._severity = severity
        self._clock = clock
        self._storm = storm or StormConfig()
        self._loop = QueueLoop(
            self.relay, what="Alerts of issues", retry_seconds=_RETRY_SECONDS, clock=clock
        )

    def wake(self) -> None:
        """Say that there are alerts, or that some may be over."""
        self._loop.wake()

    async def run(self) -> None:
        """Relay until cancelled, beginning with what an earlier process left."""
        await self._loop.run()

    async def relay(self) -> int:
        """Hand over one batch; return how many there were."""
        pending = await self._queue.pending_alerts(_BATCH)
        if pending:
            # What is back is told anew only if its end has been told.
            await self._relay_ends(is_begun=True)
            await self._relay_pending(pending)
            return len(pending)
        # Only now, so that no end is told before its beginning.
        return await self._relay_ends() + await self._relay_storm_ends()

    async def _relay_pending(self, pending: Sequence[PendingAlert]) -> None:
        known = {storm.key: storm for storm in await self._load_storms()}
        plan = plan_storms(pending, known, threshold=self._storm.issues, window=self._storm.window)
        told = [(each, make_alert(each, self._severity)) for each in plan.single]
        alerts = [
            *(self._end_storm(storm) for storm in plan.ended),
            *(alert for _, alert in told),
            *(make_storm_alert(storm) for storm in plan.changed),
        ]
        opened = [_open(each, alert) for each, alert in told if each.lasts]
        if opened:
            # Before they are told: after a crash in between they may go with a storm that others
            # have made of them meanwhile, and then only this knows that they have to end.
            await self._queue.clear_alerts([], opened=opened)
        if alerts:
            await self._sink.put(alerts)
        await self._queue.clear_alerts([each.id for each in pending], storms=_remember(plan))

    async def _relay_ends(self, *, is_begun: bool = False) -> int:
        ended = await self._queue.ended_alerts(_BATCH)
        if is_begun:
            ended = [each for each in ended if each.labels]
        if ended:
            told = [make_end(each) for each in ended if each.labels]
            if told:
                await self._sink.put(told)
            await self._queue.clear_ended(ended, self._clock.now())
        return len(ended)

    async def _relay_storm_ends(self) -> int:
        now = self._clock.now()
        storms = await self._load_storms()
        over = [storm for storm in storms if storm.is_over(now, self._storm.window)]
        if over:
            ends = [self._end_storm(storm) for storm in over if storm.opened_at is not None]
            if ends:
                await self._sink.put(ends)
            await self._queue.clear_alerts([], storms={storm.key: None for storm in over})
        return len(over)

    async def _load_storms(self) -> Sequence[Storm]:
        """Return what is remembered of storms; what a clock that ran ahead noted is set right."""
        now = self._clock.now()
        stored = [
            Storm.from_json(key, value) for key, value in (await self._queue.storms()).items()
        ]
        storms = [storm.not_after(now) for storm in stored]
        if storms != stored:
            await self._queue.clear_alerts([], storms={each.key: each.to_json() for each in storms})
        return storms

    def _end_storm(self, storm: Storm) -> Alert:
        assert storm.last_at is not None
        # The same however often it is told.
        return make_storm_alert(storm, ended_at=storm.last_at + self._storm.window)


def _open(pending: PendingAlert, alert: Alert) -> OpenAlert:
    rule, project_id, issue_id = pending.scope
    return OpenAlert(
        rule=rule,
        project_id=project_id,
        issue_id=issue_id,
        kind=pending.kind,
        started_at=pending.at,
        ended_at=None,
        labels=dict(alert.labels),
        annotations=dict(alert.annotations),
    )


def _remember(plan: StormPlan) -> Mapping[StormKey, Mapping[str, Any] | None]:
    return {storm.key: storm.to_json() for storm in plan.storms}
