"""Jobs from their check-ins to alerts, over simulated time and a real database."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import orjson
import pytest
from sqlalchemy import Connection, func, insert, select

from resumatch_monitor.alerts.alert import Alert, AlertSource
from resumatch_monitor.crons.model import Environment, Job, JobStatus, Run, RunStatus
from resumatch_monitor.crons.processor import CheckInProcessor
from resumatch_monitor.crons.relay import IncidentRelay
from resumatch_monitor.crons.store import MOST_ENVIRONMENTS, MOST_RUNS
from resumatch_monitor.crons.timer import CronTimer
from resumatch_monitor.kit.spool import Position
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.sentry.items import ItemKind, ItemRecord
from resumatch_monitor.storage.sql.crons import SqlCheckInStore
from resumatch_monitor.storage.sql.crons_desk import SqlJobDesk
from resumatch_monitor.storage.sql.crons_incidents import IncidentBook
from resumatch_monitor.storage.sql.crons_time import SqlTimekeeper
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables.release_health import CRON_RUNS
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio

HOURLY: dict[str, Any] = {
    "schedule": {"type": "crontab", "value": "0 * * * *"},
    "checkin_margin": 5,
    "max_runtime": 10,
}


async def tell_all(relay: IncidentRelay) -> None:
    while await relay.tell_batch():
        pass


class Progress:
    """How far the digest is; it may be made to lag."""

    def __init__(self) -> None:
        self.position = self.end = Position(1, 0)


class Sink:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.alerts: list[Alert] = []

    async def put(self, alerts: Sequence[Alert]) -> None:
        self.alerts += alerts
        self.told += [f"{each.name} {each.status.value}" for each in alerts]


class Rig:
    """Crons without the door and the loops; `restart` is another process on the same database."""

    def __init__(self, database: Database) -> None:
        # 12:00 is a moment of the schedule, too: begin between two.
        self.clock = FakeClock(datetime(2026, 1, 5, 12, 30, tzinfo=UTC))
        self.progress = Progress()
        self.sink = Sink()
        self.desk = SqlJobDesk(database, retention=timedelta(days=90))
        self._database = database
        self._ids = count(1)
        self.restart()

    def restart(self) -> None:
        incidents = IncidentBook(severity="warning", slug_of=lambda _: "shop")
        self.relay = IncidentRelay(backlog=self.desk, sink=self.sink, clock=self.clock)
        self.timer = CronTimer(
            keeper=SqlTimekeeper(self._database, incidents),
            spool=self.progress,
            clock=self.clock,
            on_incidents=self.relay.wake,
        )
        self.processor = CheckInProcessor(
            store=SqlCheckInStore(self._database, incidents),
            telemetry=Telemetry(),
            on_incidents=self.relay.wake,
        )

    def make(self, status: str, run: int = 0, **fields: Any) -> ItemRecord:
        payload = {"monitor_slug": "report", "status": status, **fields}
        if run:
            payload["check_in_id"] = f"{run:032x}"
        return ItemRecord(
            ItemKind.CHECK_IN,
            1,
            f"{next(self._ids):032x}",
            self.clock.now(),
            orjson.dumps(payload),
        )

    async def say(self, status: str, run: int = 0, **fields: Any) -> None:
        await self.processor.process([self.make(status, run, **fields)])
        await tell_all(self.relay)

    async def wait_until(self, hour: int, minute: int = 0, second: int = 0) -> None:
        """Let time pass with a tick a minute."""
        target = self.clock.now().replace(hour=hour, minute=minute, second=second)
        while self.clock.now() < target:
            step = min(60.0, (target - self.clock.now()).total_seconds())
            await self.clock.advance(step)
            await self.timer.tick()
        await tell_all(self.relay)

    async def job(self) -> Job:
        job = await self.desk.find(1, "report")
        assert job is not None
        return job

    async def environment(self) -> Environment:
        (environment,) = (await self.job()).environments
        return environment

    async def runs(self) -> Sequence[Run]:
        job = await self.job()
        runs = await self.desk.runs(job.id, environment=None, before_id=None, limit=50)
        return list(reversed(runs))

    async def statuses(self) -> list[str]:
        return [run.status.value for run in await self.runs()]


@pytest.fixture
async def rig(database: Database) -> Rig:
    rig = Rig(database)
    await rig.timer.tick()
    return rig


async def test_a_job_that_runs_as_expected_is_well(rig: Rig) -> None:
    await rig.say("in_progress", 1, monitor_config=HOURLY)
    await rig.say("ok", 1)
    for run, hour in enumerate((13, 14, 15), start=2):
        # A clock that is two seconds ahead is not a run of its own.
        await rig.wait_until(hour - 1, 59, 58)
        await rig.say("in_progress", run, monitor_config=HOURLY)
        await rig.wait_until(hour, 4)
        await rig.say("ok", run, duration=241.0, monitor_config=HOURLY)
    await rig.wait_until(15, 50)

    assert await rig.statuses() == ["ok"] * 4
    assert rig.sink.told == []
    latest = (await rig.runs())[-1]
    assert latest.duration == timedelta(seconds=241)
    assert latest.expected_at == rig.clock.now().replace(minute=0)


async def test_a_missed_run_is_told_and_its_recovery_too(rig: Rig) -> None:
    await rig.say("ok", monitor_config=HOURLY)
    await rig.wait_until(13, 5)
    assert rig.sink.told == []
    await rig.wait_until(13, 6)
    assert rig.sink.told == ["CheckInMissed firing"]
    await rig.wait_until(14, 10)
    assert (await rig.environment()).failures == 2
    await rig.say("ok")

    assert rig.sink.told == ["CheckInMissed firing", "CheckInMissed resolved"]
    assert await rig.statuses() == ["ok", "missed", "missed", "ok"]
    latest = (await rig.runs())[-1]
    assert latest.is_late
    assert latest.expected_at == rig.clock.now().replace(minute=0)
    alert = rig.sink.alerts[0]
    assert (alert.source, alert.generator_path) == (AlertSource.HEARTBEAT, "/crons/1/report")
    assert dict(alert.labels) == {
        "alertname": "CheckInMissed",
        "severity": "warning",
        "project": "shop",
        "cron": "report",
        "environment": "production",
    }


async def test_a_run_over_time_is_told_until_it_ends_well(rig: Rig) -> None:
    await rig.say("in_progress", 1, monitor_config=HOURLY)
    await rig.wait_until(12, 41)
    assert rig.sink.told == ["CheckInOverTime firing"]
    assert await rig.statuses() == ["timeout"]
    await rig.wait_until(12, 55)
    await rig.say("ok", 1)

    assert rig.sink.told == ["CheckInOverTime firing", "CheckInOverTime resolved"]
    (run,) = await rig.runs()
    assert (run.status, run.was_over_time) == (RunStatus.OK, True)


async def test_a_run_over_time_that_fails_is_one_failure(rig: Rig) -> None:
    await rig.say("in_progress", 1, monitor_config={**HOURLY, "failure_issue_threshold": 2})
    await rig.wait_until(12, 45)
    await rig.say("error", 1)

    assert (await rig.environment()).failures == 1
    assert rig.sink.told == []


async def test_thresholds_are_waited_for(rig: Rig) -> None:
    config = {**HOURLY, "failure_issue_threshold": 3, "recovery_threshold": 2}
    for status in ("error", "error", "ok", "error", "error"):
        await rig.say(status, monitor_config=config)
    assert rig.sink.told == []
    await rig.say("error")
    assert rig.sink.told == ["CheckInFailed firing"]
    await rig.say("ok")
    assert (await rig.environment()).status is JobStatus.FAILING
    await rig.say("ok")
    assert rig.sink.told == ["CheckInFailed firing", "CheckInFailed resolved"]


async def test_a_job_without_configuration_is_missed_by_nobody(rig: Rig) -> None:
    await rig.say("in_progress", 1)
    await rig.wait_until(20)
    assert await rig.statuses() == ["in_progress"]
    await rig.say("error", 1)
    assert rig.sink.told == ["CheckInFailed firing"]


async def test_check_ins_out_of_order_or_twice_are_one_run(rig: Rig) -> None:
    await rig.say("ok", 1, duration=60, monitor_config=HOURLY)
    await rig.say("in_progress", 1, monitor_config=HOURLY)
    await rig.say("error", 1)
    record = rig.make("error", 2)
    await rig.processor.process([record, record])
    rig.restart()
    await rig.processor.process([record])

    assert await rig.statuses() == ["ok", "error"]
    assert (await rig.environment()).failures == 1


@pytest.mark.parametrize(
    "schedule",
    [
        {"type": "interval", "value": 1, "unit": "hour"},
        {"type": "crontab", "value": "0 * * * *"},
    ],
)
async def test_a_long_run_that_is_told_at_its_end_makes_nothing_missed(
    rig: Rig, schedule: dict[str, Any]
) -> None:
    config = {**HOURLY, "schedule": schedule}
    await rig.say("ok", duration=30 * 86_400, monitor_config=config)
    await rig.wait_until(12, 50)

    assert await rig.statuses() == ["ok"]
    assert rig.sink.told == []
    next_at = (await rig.environment()).next_at
    assert next_at is not None
    assert next_at > rig.clock.now()


async def test_whoever_has_no_id_ends_the_run_that_began_last(rig: Rig) -> None:
    await rig.say("in_progress", monitor_config=HOURLY)
    await rig.clock.advance(90)
    await rig.say("ok", check_in_id="0" * 32)

    (run,) = await rig.runs()
    assert (run.status, run.duration) == (RunStatus.OK, timedelta(seconds=90))


async def test_nothing_that_waits_in_the_spool_is_missed(rig: Rig) -> None:
    await rig.say("ok", monitor_config=HOURLY)
    await rig.wait_until(13)
    waiting = rig.make("ok")
    rig.progress.end = Position(1, 100)
    await rig.wait_until(13, 30)
    assert await rig.statuses() == ["ok"]

    await rig.processor.process([waiting])
    rig.progress.position = Position(1, 100)
    await rig.wait_until(13, 40)
    assert await rig.statuses() == ["ok", "ok"]


async def test_the_monitors_own_downtime_is_no_failure(rig: Rig) -> None:
    await rig.say("ok", monitor_config=HOURLY)
    await rig.wait_until(12, 55)
    await rig.say("in_progress", 7)
    await rig.wait_until(12, 56)
    await rig.clock.advance(3 * 3600)
    rig.restart()
    await rig.timer.tick()
    await rig.wait_until(15, 59)
    assert await rig.statuses() == ["ok", "unknown"]
    assert rig.sink.told == []

    await rig.wait_until(16, 6)
    assert await rig.statuses() == ["ok", "unknown", "missed"]


async def test_what_was_missed_before_the_downtime_still_is(rig: Rig) -> None:
    await rig.say("ok", monitor_config=HOURLY)
    await rig.wait_until(13, 4)
    rig.progress.end = Position(1, 100)
    await rig.wait_until(13, 20)
    rig.restart()
    rig.progress.position = rig.progress.end
    await rig.clock.advance(3600)
    await rig.timer.tick()
    await tell_all(rig.relay)

    assert rig.sink.told == ["CheckInMissed firing"]


async def test_an_alert_that_was_not_handed_over_is_after_a_restart(rig: Rig) -> None:
    await rig.processor.process([rig.make("error", monitor_config=HOURLY)])
    await rig.processor.process([rig.make("ok")])
    rig.restart()
    await tell_all(rig.relay)
    await tell_all(rig.relay)

    assert rig.sink.told == ["CheckInFailed firing", "CheckInFailed resolved"]


async def test_a_new_schedule_holds_from_now_on(rig: Rig) -> None:
    await rig.say("ok", monitor_config=HOURLY)
    daily = {**HOURLY, "schedule": {"type": "interval", "value": 1, "unit": "day"}}
    await rig.say("ok", monitor_config=daily)
    await rig.wait_until(20)

    assert await rig.statuses() == ["ok", "ok"]
    assert (await rig.environment()).next_at == datetime(2026, 1, 6, 12, 30, tzinfo=UTC)


async def test_muted_and_paused_jobs_tell_nobody(rig: Rig) -> None:
    await rig.say("error", monitor_config=HOURLY)
    job = await rig.job()
    await rig.desk.set_muted(job.id, True, rig.clock.now())
    await tell_all(rig.relay)
    assert rig.sink.told == ["CheckInFailed firing", "CheckInFailed resolved"]
    await rig.say("error")
    await rig.wait_until(13, 10)
    assert (await rig.statuses())[-1] == "missed"

    await rig.desk.set_muted(job.id, False, rig.clock.now())
    await rig.desk.set_paused(job.id, True, rig.clock.now())
    await rig.wait_until(15, 30)
    assert (await rig.statuses()).count("missed") == 1
    await rig.desk.set_paused(job.id, False, rig.clock.now())
    await rig.wait_until(16, 10)
    assert (await rig.statuses()).count("missed") == 2
    assert rig.sink.told[2:] == ["CheckInMissed firing"]


async def test_a_job_that_is_deleted_ends_its_alert(rig: Rig) -> None:
    await rig.say("error", monitor_config=HOURLY)
    await rig.desk.delete((await rig.job()).id, rig.clock.now())
    await tell_all(rig.relay)

    assert rig.sink.told == ["CheckInFailed firing", "CheckInFailed resolved"]
    assert await rig.desk.find(1, "report") is None


async def test_environments_are_apart_and_bounded(rig: Rig) -> None:
    for number in range(MOST_ENVIRONMENTS + 3):
        await rig.say("ok", environment=f"e{number:02}", monitor_config=HOURLY)
    await rig.say("error", environment="e01")

    environments = (await rig.job()).environments
    assert len(environments) == MOST_ENVIRONMENTS
    assert [each.name for each in environments if each.status is JobStatus.FAILING] == ["e01"]


async def test_what_is_old_is_forgotten(rig: Rig) -> None:
    await rig.say("error", monitor_config=HOURLY)
    await rig.say("ok")
    later = rig.clock.now() + timedelta(days=91)

    assert await rig.desk.expire(rig.clock.now()) == 0
    assert await rig.desk.expire(later) == 3
    assert await rig.desk.expire(later) == 0


async def test_environments_that_differ_in_what_they_send_do_not_put_off_a_missed_run(
    rig: Rig,
) -> None:
    daily = {**HOURLY, "schedule": {"type": "crontab", "value": "30 * * * *"}}
    await rig.say("ok", environment="production", monitor_config=HOURLY)
    for minute in range(31, 60, 2):
        await rig.wait_until(12, minute)
        await rig.say("ok", environment="staging", monitor_config=daily)
        await rig.say("ok", environment="other", monitor_config=HOURLY)
    for minute in range(1, 10, 2):
        await rig.wait_until(13, minute)
        await rig.say("ok", environment="staging", monitor_config=daily)
        await rig.say("ok", environment="other", monitor_config=HOURLY)

    missed = [each for each in rig.sink.alerts if each.name == "CheckInMissed"]
    assert {dict(each.labels)["environment"] for each in missed} == {"production"}


async def test_the_oldest_runs_go_whichever_numbers_they_have(rig: Rig, database: Database) -> None:
    await rig.say("ok", monitor_config=HOURLY)

    def fill(connection: Connection) -> None:
        row = dict(connection.execute(select(CRON_RUNS)).mappings().one())
        rows = [{**row, "id": number} for number in range(2, MOST_RUNS + 5)]
        connection.execute(insert(CRON_RUNS), rows)

    await database.write(fill)
    await rig.say("ok")

    count = select(func.count(), func.max(CRON_RUNS.c.id)).select_from(CRON_RUNS)
    assert await database.read(lambda connection: tuple(connection.execute(count).one())) == (
        MOST_RUNS,
        MOST_RUNS + 5,
    )
