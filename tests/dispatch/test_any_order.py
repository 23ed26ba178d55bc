"""No order of alerts, mutes, acknowledgements, restarts and clocks loses or repeats anything.

Generated histories run against a dispatcher on a real database. A reader believes its messages; the
model below knows what is the case. However it went, the reader is told of a critical alert that
fires unmuted for a while, hears nothing twice, and in the end believes what is the case.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.dispatcher import Dispatcher
from resumatch_monitor.dispatch.muting.mute import Mute, MuteKind
from resumatch_monitor.dispatch.occurrences.occurrence import OccurrenceId
from resumatch_monitor.dispatch.steady import SteadyTime
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.notify.notification import Notification, notification_from_json
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables import dispatch as tables
from tests.dispatch.builders import Handled, make_alert, make_dispatcher, make_integration, resolve
from tests.dispatch.test_dispatcher import CrashingOnDemand
from tests.support.clock import FakeClock

ALERTS = 3
INTEGRATIONS = [make_integration(receiver=name) for name in ("team", "boss")]
ROUTE = {"receiver": "team", "group_by": ["alertname"], "escalation": "up"}
CONFIG: dict[str, Any] = {
    "receivers": [{"name": "team"}, {"name": "boss"}],
    "escalations": [{"name": "up", "steps": [{"after": "15m", "receiver": "boss"}]}],
    "route": ROUTE,
    "flapping": {"changes": 0},
    "max_messages_per_hour": 0,
}
NIGHT = (22, 24)
LUNCH = (12, 13)
TIMES: dict[str, Any] = {
    "time_intervals": [
        {
            "name": name,
            "time_intervals": [{"times": [{"start_time": f"{begin}:00", "end_time": f"{end}:00"}]}],
        }
        for name, (begin, end) in (("night", NIGHT), ("lunch", LUNCH))
    ],
    "quiet_hours": [
        {
            "name": "nights",
            "time_intervals": ["night"],
            "severities": ["critical", "warning"],
            "even_critical": True,
        }
    ],
    # The root itself tells at any time.
    "route": {**ROUTE, "routes": [{"mute_time_intervals": ["lunch"]}]},
}
LONG_ENOUGH = timedelta(seconds=130)
"""Two ticks of a group, and a little."""
SET_BACK = timedelta(hours=1)
"""By more than this, a clock that was set back ends a closing."""


@dataclass
class Truth:
    """What is the case about one alert."""

    report: Alert | None = None
    is_firing: bool = False
    is_silenced: bool = False
    is_inhibited: bool = False
    snoozed_until: datetime | None = None
    closed_at: datetime | None = None
    closed_until: datetime | None = None
    tellable_since: float | None = None

    def is_closed(self, now: datetime) -> bool:
        """Tell whether reports of the stretch that a person closed are not heard at `now`."""
        if self.closed_at is None or self.closed_until is None:
            return False
        return self.closed_at - SET_BACK <= now < self.closed_until


@dataclass
class Reader:
    """What somebody who reads a receiver's messages believes."""

    believed: set[str] = field(default_factory=set[str])
    empty_count: int = 0

    def read(self, notification: Notification) -> None:
        before = set(self.believed)
        for alert in notification.alerts:
            if alert.ends_at is None:
                self.believed.add(alert.fingerprint)
            else:
                assert alert.fingerprint in self.believed, "an end was told twice, or unbidden"
                self.believed.remove(alert.fingerprint)
        if self.believed == before and not notification.is_repeat:
            self.empty_count += 1


class World:
    """A dispatcher that is put upon, crashed and rebuilt, and what is the case."""

    def __init__(self, database: Database, config: dict[str, Any]) -> None:
        self.database = database
        self.config = config
        self.clock = FakeClock()
        self.handled = Handled()
        self.truths = [Truth() for _ in range(ALERTS)]
        self.readers = {"team": Reader(), "boss": Reader()}
        self.read_count = 0
        self.lifted_count = 0
        self.longest_delay = LONG_ENOUGH
        self.is_clock_changed = False
        self.store: CrashingOnDemand
        self.steady: SteadyTime
        self.dispatcher: Dispatcher

    def find(self, alert: Alert, now: datetime) -> Mute | None:
        """Mute as a `Muter` does."""
        del now
        truth = self.truths[int(alert.labels["instance"])]
        if truth.is_silenced:
            return Mute(MuteKind.SILENCED, "s", "silenced")
        return Mute(MuteKind.INHIBITED, "i", "inhibited") if truth.is_inhibited else None

    async def start(self) -> None:
        self.store = CrashingOnDemand(self.database)
        self.steady = SteadyTime(self.clock)
        self.dispatcher = make_dispatcher(
            self.database,
            self.clock,
            RandomIds(),
            config=self.config,
            integrations=INTEGRATIONS,
            store=self.store,
            muter=self,
            handlings=self.handled,
        )
        await self.dispatcher.load()
        if self.is_clock_changed:
            # What was stored in the future counts from now on.
            self.is_clock_changed = False
            self.forget_since()

    async def do(self, step: str, number: int) -> None:
        truth = self.truths[number % ALERTS]
        match step:
            case "fire" | "resolve" | "repeat" | "close":
                await self.change(step, number % ALERTS, truth, number)
            case "silence":
                truth.is_silenced = not truth.is_silenced
                self.lifted_count += not truth.is_silenced
            case "inhibit":
                truth.is_inhibited = not truth.is_inhibited
            case "acknowledge" | "unacknowledge" | "snooze":
                self.handle(step, number, truth)
            case "wait":
                await self.wait(number * 7)
            case "crash":
                await self.start()
            case "jump":
                self.jump(number)
            case "jump and restart":
                self.jump(number)
                await self.start()
            case _:
                await self.crash_in_flush()
        self.dispatcher.reconsider()
        await self.flush()

    def jump(self, number: int) -> None:
        if number < 60:
            # What had ended lies ahead once more.
            self.lifted_count += sum(each.snoozed_until is not None for each in self.truths)
        self.clock.jump(timedelta(seconds=(number - 60) * 3000))
        self.is_clock_changed = True

    async def change(self, step: str, number: int, truth: Truth, choice: int) -> None:
        now = self.clock.now()
        report = truth.report
        if step == "fire":
            if report is None or report.ends_at is not None:
                severity = "warning" if number == 2 else "critical"
                truth.report = make_alert(instance=str(number), severity=severity, starts_at=now)
                is_same = truth.closed_at is not None and now <= truth.closed_at
                truth.is_firing = not (is_same and truth.is_closed(now))
                if truth.is_firing:
                    truth.closed_at = None
                await self.dispatcher.put([truth.report])
        elif report is None or report.ends_at is not None:
            return
        elif step == "resolve":
            truth.report, truth.is_firing = resolve(report, now), False
            await self.dispatcher.put([truth.report])
        elif step == "repeat":
            await self.repeat(truth, report)
        else:
            until = now + timedelta(minutes=10 * choice)
            occurrence_id = await self.find_occurrence(report)
            if occurrence_id is not None and await self.dispatcher.close(
                occurrence_id, "ada", until
            ):
                truth.is_firing = False
                truth.closed_at, truth.closed_until = max(now, occurrence_id.starts_at), until

    async def repeat(self, truth: Truth, report: Alert) -> None:
        if not truth.is_closed(self.clock.now()):
            truth.is_firing, truth.closed_at = True, None
        await self.dispatcher.put([replace(report, value=self.clock.monotonic())])

    async def find_occurrence(self, report: Alert) -> OccurrenceId | None:
        record = await self.store.get_alert(report.fingerprint)
        return record and OccurrenceId(report.fingerprint, record.alert.starts_at)

    def handle(self, step: str, number: int, truth: Truth) -> None:
        if truth.report is None:
            return
        if step == "snooze":
            truth.snoozed_until = self.clock.now() + timedelta(seconds=number * 20)
            self.handled.change(truth.report, snoozed_until=truth.snoozed_until)
            self.lifted_count += 1
        else:
            at = self.clock.now() if step == "acknowledge" else None
            self.handled.change(truth.report, acknowledged_at=at)

    def end_snoozes(self) -> None:
        for truth in self.truths:
            truth.snoozed_until = None
        for occurrence_id, handling in self.handled.by_id.items():
            self.handled.by_id[occurrence_id] = replace(handling, snoozed_until=None)

    async def crash_in_flush(self) -> None:
        self.store.is_crashing = True
        await self.clock.advance(60)
        with suppress(ConnectionAbortedError):
            await self.dispatcher.flush_due()
        await self.start()

    async def wait(self, seconds: float) -> None:
        until = self.clock.now() + timedelta(seconds=seconds)
        while (now := self.clock.now()) < until:
            due_at = await self.flush()
            pause = until - now
            if due_at is not None:
                pause = min(pause, max(due_at - self.steady.now(), timedelta(seconds=1)))
            snoozes = [each.snoozed_until for each in self.truths if each.snoozed_until]
            pause = min([pause, *(each - now for each in snoozes if each > now)])
            await self.clock.advance(pause.total_seconds())

    async def flush(self) -> datetime | None:
        due_at = await self.dispatcher.flush_due()
        await self.read()
        self.check_nothing_is_late()
        return due_at

    async def read(self) -> None:
        query = tables.DELIVERIES.select().order_by(tables.DELIVERIES.c.id).offset(self.read_count)
        query = query.join_from(tables.DELIVERIES, tables.NOTIFICATIONS)
        query = query.with_only_columns(tables.NOTIFICATIONS.c.payload)
        rows = await self.database.read(lambda connection: connection.execute(query).all())
        self.read_count += len(rows)
        for row in rows:
            notification = notification_from_json(row.payload)
            self.readers[notification.receiver].read(notification)

    def is_tellable(self, truth: Truth) -> bool:
        is_snoozed = truth.snoozed_until is not None and self.clock.now() < truth.snoozed_until
        is_held = truth.is_silenced or truth.is_inhibited or is_snoozed or self.is_quiet()
        return truth.is_firing and not is_held

    def is_quiet(self) -> bool:
        hour = self.clock.now().hour
        spans = (NIGHT, LUNCH) if "quiet_hours" in self.config else ()
        return any(begin <= hour < end for begin, end in spans)

    def forget_since(self) -> None:
        for truth in self.truths:
            truth.tellable_since = None

    def check_nothing_is_late(self) -> None:
        now = self.clock.monotonic()
        for truth in self.truths[:2]:
            if not self.is_tellable(truth) or truth.report is None:
                truth.tellable_since = None
                continue
            if truth.tellable_since is None:
                truth.tellable_since = now
            if now - truth.tellable_since >= self.longest_delay.total_seconds():
                assert truth.report.fingerprint in self.readers["team"].believed, "lost"

    async def come_to_rest(self, hours: float) -> None:
        self.lifted_count += sum(truth.is_silenced for truth in self.truths)
        for truth in self.truths:
            truth.is_silenced = truth.is_inhibited = False
        self.end_snoozes()
        for occurrence_id, handling in self.handled.by_id.items():
            self.handled.by_id[occurrence_id] = replace(handling, acknowledged_at=None)
        # In the afternoon, when nothing is quiet.
        self.clock.jump(timedelta(hours=(14 - self.clock.now().hour) % 24))
        for truth in self.truths:
            if truth.report is not None and truth.report.ends_at is None:
                await self.repeat(truth, truth.report)
        self.dispatcher.reconsider()
        await self.wait(hours * 3600)
        firing = {
            truth.report.fingerprint
            for truth in self.truths
            if truth.report is not None and truth.is_firing
        }
        assert self.readers["team"].believed == firing
        assert self.readers["boss"].believed == firing


def numbered(
    name: str, least: int = 0, most: int = ALERTS - 1
) -> st.SearchStrategy[tuple[str, int]]:
    return st.tuples(st.just(name), st.integers(least, most))


STEPS = st.lists(
    st.one_of(
        numbered("fire"),
        numbered("fire"),
        numbered("resolve"),
        numbered("repeat"),
        numbered("silence"),
        numbered("inhibit"),
        numbered("acknowledge"),
        numbered("unacknowledge"),
        numbered("snooze", 3, 60),
        numbered("close", 0, 30),
        numbered("wait", 1, 60),
        numbered("wait", 1, 200),
        numbered("crash"),
        numbered("crash in flush"),
        numbered("jump", 0, 120),
        numbered("jump and restart", 0, 120),
    ),
    min_size=4,
    max_size=30,
)
Check = Callable[[World], None]


def nothing_was_said_twice(world: World) -> None:
    for reader in world.readers.values():
        # What a person had muted is told anew, once each time.
        assert reader.empty_count <= world.lifted_count


def anything(world: World) -> None:
    """Flapping and summaries are said although nothing else is new."""
    del world


@pytest.mark.parametrize(
    ("changes", "hours", "delay", "check"),
    [
        ({}, 0.5, LONG_ENOUGH, nothing_was_said_twice),
        (TIMES, 1, LONG_ENOUGH, nothing_was_said_twice),
        ({"flapping": {"window": "10m", "changes": 4}}, 1, LONG_ENOUGH, anything),
        # Critical news waits for five minutes at most.
        ({"max_messages_per_hour": 2}, 3, LONG_ENOUGH + timedelta(minutes=5), anything),
    ],
    ids=["plain", "times", "flapping", "few messages"],
)
def test_no_order_of_anything_loses_or_repeats_anything(
    database: Database, changes: dict[str, Any], hours: float, delay: timedelta, check: Check
) -> None:
    @settings(
        max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(steps=STEPS)
    def run(steps: list[tuple[str, int]]) -> None:
        anyio.run(follow, database, {**CONFIG, **changes}, steps, hours, delay, check)

    run()


async def follow(
    database: Database,
    config: dict[str, Any],
    steps: list[tuple[str, int]],
    hours: float,
    delay: timedelta,
    check: Check,
) -> None:
    await database.write(empty_tables)
    world = World(database, config)
    world.longest_delay = delay
    await world.start()
    for step, number in steps:
        await world.do(step, number)
    await world.come_to_rest(hours)
    check(world)


def empty_tables(connection: Connection) -> None:
    for table in (tables.ALERTS, tables.ALERT_GROUPS, tables.TOLD_ALERTS, tables.NOTIFICATIONS):
        connection.execute(delete(table))
