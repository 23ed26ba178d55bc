"""No order of alerts, silences, snoozes, outages, restarts and clock jumps misleads anybody."""

from dataclasses import replace
from datetime import timedelta

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete

from resumatch_monitor.alerts.alert import Alert, AlertStatus
from resumatch_monitor.dispatch.dispatcher import Dispatcher
from resumatch_monitor.dispatch.matchers import parse_matchers
from resumatch_monitor.dispatch.muting.dependencies import Dependencies
from resumatch_monitor.dispatch.muting.inhibition import Inhibition
from resumatch_monitor.dispatch.muting.mute import Muters
from resumatch_monitor.dispatch.muting.silence import SilenceDraft
from resumatch_monitor.dispatch.muting.silences import Silences
from resumatch_monitor.dispatch.occurrences.firing import FiringAlerts
from resumatch_monitor.dispatch.occurrences.occurrence import OccurrenceId
from resumatch_monitor.dispatch.policy.config import AlertingConfig
from resumatch_monitor.dispatch.policy.suppression_config import (
    InhibitRuleConfig,
    default_dependencies,
)
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from resumatch_monitor.storage.sql.silences import SqlSilences
from resumatch_monitor.storage.sql.tables import alerting, dispatch
from tests.dispatch.builders import (
    Handled,
    make_alert,
    make_dispatcher,
    make_quiet_hours,
    resolve,
)
from tests.support.clock import FakeClock

# A cause and what it drags along; a source and what it inhibits; and one that stands alone.
ALERTS = (
    make_alert("DatabaseConnectionFailed"),
    make_alert("HighErrorRate"),
    make_alert("DiskFull", instance="a"),
    make_alert("DiskNearlyFull", severity="warning", instance="a"),
    make_alert("RedisDown"),
)
CONFIG = {
    "route": {
        "group_by": ["..."],
        "group_wait": "0s",
        "group_interval": "1m",
        "repeat_interval": "100d",
    },
    "time_intervals": [
        {
            "name": "afternoon",
            "time_intervals": [{"times": [{"start_time": "13:00", "end_time": "18:00"}]}],
        }
    ],
    "quiet_hours": [{"name": "siesta", "time_intervals": ["afternoon"]}],
    "flapping": {"changes": 0},
    "max_messages_per_hour": 0,
}
RULE = InhibitRuleConfig(
    source_matchers=['alertname="DiskFull"'],
    target_matchers=['alertname="DiskNearlyFull"'],
    equal=["instance"],
)
_number = st.integers(0, len(ALERTS) - 1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fire"), _number),
        st.tuples(st.just("fire snoozed"), _number),
        st.tuples(st.just("resolve"), _number),
        st.tuples(st.just("silence"), _number),
        st.tuples(st.just("expire"), _number),
        st.tuples(st.just("snooze"), _number),
        st.tuples(st.just("pend"), _number),
        st.tuples(st.just("wait"), st.integers(1, 6)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.just("jump"), st.sampled_from([-2, 2])),
        st.tuples(st.just("jump"), st.sampled_from([-2, 2])),
    ),
    max_size=20,
)


def test_people_believe_what_is_the_case_and_are_told_it_once(database: Database) -> None:
    @settings(max_examples=50, deadline=None)
    @given(steps=STEPS)
    def check(steps: list[tuple[str, int]]) -> None:
        anyio.run(check_order, database, steps)

    check()


async def check_order(database: Database, steps: list[tuple[str, int]]) -> None:
    await database.write(empty_tables)
    run = Run(database)
    await run.restart()
    for step, number in steps:
        await run.do(step, number)
    await run.end_silences()
    await run.wait(4)
    await run.check()


def empty_tables(connection: Connection) -> None:
    for table in (
        dispatch.ALERTS,
        dispatch.ALERT_GROUPS,
        dispatch.TOLD_ALERTS,
        dispatch.NOTIFICATIONS,
        alerting.ALERT_SILENCES,
    ):
        connection.execute(delete(table))


class Run:
    """A dispatcher with all that mutes, and a reader who believes its messages."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = FakeClock()
        self.dispatcher: Dispatcher
        self.silences: Silences
        self.muters: Muters
        self.reports: dict[int, Alert] = {}
        self.handled = Handled()
        self.silenced: set[str] = set()
        self.pending: list[Alert] = []

    async def restart(self) -> None:
        firing = FiringAlerts()
        self.silences = Silences(
            store=SqlSilences(self.database),
            on_change=lambda: self.dispatcher.reconsider(),
            clock=self.clock,
            ids=RandomIds(),
            telemetry=Telemetry(),
        )
        inhibition = Inhibition([RULE], firing)
        muters = (
            self.silences,
            inhibition,
            Dependencies(default_dependencies(), firing, list_pending=lambda: self.pending),
        )
        self.muters = Muters((*muters, make_quiet_hours(AlertingConfig.model_validate(CONFIG))))
        self.dispatcher = make_dispatcher(
            self.database,
            self.clock,
            RandomIds(),
            config=CONFIG,
            muter=Muters(muters),
            handlings=self.handled,
            firing=firing,
        )
        await self.silences.load()
        await self.dispatcher.load()
        await self.dispatcher.flush_due()

    async def do(self, step: str, number: int) -> None:
        report = self.reports.get(number)
        match step:
            case "fire" | "fire snoozed" if report is None or report.ends_at is not None:
                report = replace(ALERTS[number], starts_at=self.clock.now())
                if step == "fire snoozed":
                    self.snooze(report)
                await self.put(number, report)
            case "resolve" if report is not None and report.status is AlertStatus.FIRING:
                await self.put(number, resolve(report, max(self.clock.now(), report.starts_at)))
            case "silence":
                await self.silence(number)
            case "expire":
                await self.end_silences(number)
            case "snooze" if report is not None:
                self.snooze(report)
            case "wait":
                await self.wait(number)
            case "pend":
                # The cause is about to fire, or, most often, nothing is.
                self.pending = [ALERTS[0]] if number == 0 else []
            case "restart":
                await self.restart()
            case "jump":
                self.clock.jump(timedelta(hours=number))
            case _:
                pass
        await self.silences.tick()
        await self.dispatcher.flush_due()

    async def put(self, number: int, report: Alert) -> None:
        self.reports[number] = report
        await self.dispatcher.put([report])

    async def silence(self, number: int) -> None:
        name, now = ALERTS[number].name, self.clock.now()
        self.silenced.add(name)
        matchers = parse_matchers(f'alertname="{name}"')
        ends_at = now + timedelta(minutes=3)
        await self.silences.set(SilenceDraft(matchers, now, ends_at, "ada", "planned"))

    def snooze(self, report: Alert) -> None:
        self.silenced.add(report.name)
        self.handled.change(report, snoozed_until=self.clock.now() + timedelta(minutes=3))
        self.dispatcher.reconsider()

    def is_snoozed(self, report: Alert) -> bool:
        handling = self.handled.find(OccurrenceId(report.fingerprint, report.starts_at))
        return handling is not None and handling.is_snoozed(self.clock.now())

    async def end_silences(self, number: int | None = None) -> None:
        name = None if number is None else ALERTS[number].name
        for each in self.silences.list_silences():
            if name in (None, each.matchers[0].value):
                await self.silences.expire(each.id)

    async def wait(self, minutes: int) -> None:
        for _ in range(6 * minutes):
            await self.clock.advance(10)
            await self.silences.tick()
            await self.dispatcher.flush_due()

    async def check(self) -> None:
        believed: set[str] = set()
        told = await SqlOutbox(self.database).list_deliveries(limit=200)
        for delivery in reversed(told):
            (alert,) = delivery.alerts
            if alert.status == "firing":
                is_anew = alert.fingerprint in believed
                assert not is_anew or alert.name in self.silenced, "told twice"
                believed.add(alert.fingerprint)
            else:
                assert alert.fingerprint in believed, "an end was told unbidden"
                believed.remove(alert.fingerprint)
        now = self.clock.now()
        for report in self.reports.values():
            if report.status is AlertStatus.RESOLVED:
                assert report.fingerprint not in believed, "an end was not told"
            elif self.muters.find(report, now) is None and not self.is_snoozed(report):
                assert report.fingerprint in believed, "what fires was not told"
