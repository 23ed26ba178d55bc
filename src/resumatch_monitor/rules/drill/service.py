"""Runs drills one after the other and keeps what they have shown."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.muting.mute import Mute
from resumatch_monitor.dispatch.practice.drills import DrillSender, SentDrill
from resumatch_monitor.dispatch.reading import DeliveryReader, DeliveryRecord
from resumatch_monitor.kit.clock import Clock, isoformat
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.rules.drill.model import DRILL_LABEL, DirectTarget, DrillRecord, Target
from resumatch_monitor.rules.drill.report import (
    describe_firing,
    describe_way,
    find_problems,
    is_settled,
)
from resumatch_monitor.rules.drill.run import ShadowRunner
from resumatch_monitor.rules.drill.store import DrillStore
from resumatch_monitor.rules.drill.targets import fire_directly

logger = logging.getLogger(__name__)

ALL = "all"
_MOST_AT_ONCE = 500
_WAIT_SECONDS = 60.0
_LOOK_SECONDS = 0.1
_LONGEST_REAL_TIME = timedelta(hours=1)
_MOST_DELIVERIES = 100


class UnknownAlertError(Exception):
    """No alerting rule has that name."""


class TooLongError(Exception):
    """A rule's `for` is too long to be waited for in real time."""


class DrillsBusyError(Exception):
    """Drills are under way."""


class NoSuchDrillError(Exception):
    """There is no drill with that id."""


@dataclass(frozen=True, slots=True)
class _Job:
    record: DrillRecord
    target: Target | DirectTarget
    pages: bool
    is_real_time: bool


class Drills:
    """Proves alerts, from the condition to the people."""

    def __init__(
        self,
        *,
        shadow: ShadowRunner,
        list_targets: Callable[[], Sequence[Target]],
        direct: Sequence[DirectTarget] = (),
        sender: DrillSender,
        deliveries: DeliveryReader,
        store: DrillStore,
        mute_of: Callable[[Alert, datetime], Mute | None],
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._shadow = shadow
        self._list_targets = list_targets
        self._direct = tuple(direct)
        self._sender = sender
        self._deliveries = deliveries
        self._store = store
        self._mute_of = mute_of
        self._clock = clock
        self._ids = ids
        self._jobs: list[_Job] = []
        self._signal = asyncio.Event()
        # Held while a record is read and written back.
        self._lock = asyncio.Lock()

    def list_targets(self) -> list[tuple[str, Target | DirectTarget]]:
        """Return the alerts that can be tried, by name: those of rules, then the monitor's own."""
        rules = self._list_targets()
        names = {each.rule.name for each in rules}
        found: list[tuple[str, Target | DirectTarget]] = [(each.rule.name, each) for each in rules]
        # A rule of the same name proves more.
        found += [(each.name, each) for each in self._direct if each.name not in names]
        return found

    async def start(
        self, alert: str, *, by: str, pages: bool = False, is_real_time: bool = False
    ) -> list[DrillRecord]:
        """Begin to try the rules of a name, or `all` of them.

        Args:
            alert: The name.
            by: Who wants it.
            pages: Whether pagers are told, too.
            is_real_time: Whether `for` passes in real time.

        Raises:
            UnknownAlertError: If there is no such rule.
            DrillsBusyError: If others are under way.
            TooLongError: If real time would take too long.
        """
        targets = [(name, each) for name, each in self.list_targets() if alert in (ALL, name)]
        if not targets:
            raise UnknownAlertError(alert)
        for name, target in targets:
            is_long = isinstance(target, Target) and target.rule.hold_duration > _LONGEST_REAL_TIME
            if is_real_time and is_long:
                raise TooLongError(name)
        if self._jobs:
            raise DrillsBusyError
        now = self._clock.now()
        self._jobs = [
            _Job(
                DrillRecord(self._ids.uuid(), name, now, None, by, None),
                each,
                pages,
                is_real_time,
            )
            for name, each in targets[:_MOST_AT_ONCE]
        ]
        records = [job.record for job in self._jobs]
        try:
            for record in records:
                await self._store.save(record)
        except BaseException:
            self._jobs = []
            raise
        self._signal.set()
        return records

    async def run(self) -> None:
        """Carry out what is asked for, for ever."""
        under_way = {job.record.id for job in self._jobs}
        for record in await self._store.list_unfinished():
            if record.id in under_way:
                continue
            problem = "The monitor was restarted meanwhile."
            await self._finish(record, {**record.report, "problems": [problem]}, passed=False)
        while True:
            await self._signal.wait()
            self._signal.clear()
            while self._jobs:
                job = self._jobs[0]
                try:
                    await self._carry_out(job)
                except Exception as error:
                    logger.exception("The drill of %s failed", job.record.alert)
                    problem = f"The drill itself failed: {type(error).__name__}"
                    await self._finish(job.record, {"problems": [problem]}, passed=False)
                finally:
                    del self._jobs[:1]

    async def get(self, drill_id: str) -> DrillRecord:
        """Return a drill.

        Raises:
            NoSuchDrillError: If there is none.
        """
        record = await self._store.get(drill_id)
        if record is None:
            raise NoSuchDrillError(drill_id)
        return record

    async def acknowledge(self, drill_id: str, *, by: str) -> DrillRecord:
        """Note that somebody has heard of it; the first one counts.

        Raises:
            NoSuchDrillError: If there is none.
        """
        async with self._lock:
            record = await self.get(drill_id)
            if record.report.get("acknowledged_by"):
                return record
            now = self._clock.now()
            report = {
                **record.report,
                "acknowledged_by": by,
                "acknowledged_at": isoformat(now),
                "acknowledged_after_seconds": (now - record.started_at).total_seconds(),
            }
            record = replace(record, report=report)
            await self._store.save(record)
        return record

    async def _carry_out(self, job: _Job) -> None:
        if isinstance(job.target, DirectTarget):
            firing = fire_directly(job.target, self._clock.now())
        else:
            firing = await self._shadow.fire(job.target, is_real_time=job.is_real_time)
        report = describe_firing(job.target, firing, is_real_time=job.is_real_time)
        if not firing.alerts:
            await self._finish(job.record, report, passed=False)
            return
        # Their links lead to what the drill has shown.
        path = f"/drills/{job.record.id}"
        alerts = [replace(alert, generator_path=path) for alert in firing.alerts]
        real = replace(alerts[0], labels=alerts[0].labels.with_labels({DRILL_LABEL: ""}))
        mute = self._mute_of(real, self._clock.now())
        sent = await self._sender.send(job.record.id, alerts, pages=job.pages)
        deliveries = await self._wait(alerts[0].fingerprint, sent)
        digests = self._sender.digests_of(alerts[0])
        report |= describe_way(sent, deliveries, mute=mute, digests=digests)
        problems = find_problems(sent, deliveries, digests)
        report["problems"] = problems
        await self._sender.resolve(sent, self._clock.now())
        await self._finish(job.record, report, passed=not problems)

    async def _wait(self, fingerprint: str, sent: Sequence[SentDrill]) -> list[DeliveryRecord]:
        """Wait until everything is delivered or failed, but not for ever."""
        created = [each.notification.created_at for each in sent if each.notification is not None]
        if not created:
            return []
        # The store keeps milliseconds.
        first = min(created).replace(microsecond=0)
        deadline = self._clock.monotonic() + _WAIT_SECONDS
        while True:
            found = await self._deliveries.list_deliveries(
                fingerprint=fingerprint, limit=_MOST_DELIVERIES
            )
            own = [each for each in found if each.created_at >= first]
            if is_settled(own) or self._clock.monotonic() >= deadline:
                return own
            await self._clock.sleep(_LOOK_SECONDS)

    async def _finish(
        self, record: DrillRecord, report: dict[str, object], *, passed: bool
    ) -> None:
        async with self._lock:
            known = await self._store.get(record.id) or record
            await self._store.save(
                replace(
                    known,
                    finished_at=self._clock.now(),
                    is_passed=passed,
                    report={**report, **known.report},
                )
            )
