from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from resumatch_monitor.alerts.alert import Alert, AlertStatus
from resumatch_monitor.errortracking.alerting.config import IssueAlertRule, StormConfig
from resumatch_monitor.errortracking.alerting.ends import AlertTimer
from resumatch_monitor.errortracking.config import ErrorsConfig
from resumatch_monitor.errortracking.issues import IssueStatus
from resumatch_monitor.errortracking.relay import IssueAlertRelay
from resumatch_monitor.storage.sql.database import Database
from tests.support.clock import FakeClock
from tests.support.errors import (
    PROJECT,
    ErrorStack,
    RecordingSink,
    build_stack,
    make_event,
    make_exception,
)

pytestmark = pytest.mark.anyio

_COUNT = {"threshold": 3, "window": "5m"}


class World:
    """Error tracking with rules of a test's own."""

    def __init__(self, stack: ErrorStack, clock: FakeClock) -> None:
        self.stack = stack
        self.clock = clock
        self.renew_timer()
        self._number = 0

    def renew_timer(self) -> None:
        """Begin to look for ends, as a process does that starts."""
        self.timer = AlertTimer(
            ends=self.stack.alerts, wake=self.stack.relay.wake, clock=self.clock
        )

    def make(self, kind: str = "KeyError", **over: Any) -> dict[str, Any]:
        self._number += 1
        exception = {"values": [make_exception(kind, "'x'", f"call_{kind.lower()}")]}
        at = self.clock.now().isoformat()
        return make_event(self._number, timestamp=at, exception=exception, **over)

    async def send(self, *events: dict[str, Any]) -> None:
        for event in events:
            url = f"/api/1/store/?sentry_key={PROJECT.key}"
            answer = await self.stack.client.post(url, content=orjson.dumps(event))
            assert answer.status_code == 200, answer.text
        await self.stack.drain()

    async def wait(self, seconds: float) -> None:
        """Let time pass in which it is looked for ends, as often as matters."""
        await self.timer.look()
        step = 60 if seconds <= 3_600 else seconds
        while seconds > 0:
            await self.clock.advance(min(step, seconds))
            await self.timer.look()
            seconds -= step
        await self.stack.drain()

    @property
    def alerts(self) -> list[Alert]:
        return self.stack.sink.alerts

    def told(self) -> list[tuple[str, str, str]]:
        """Return name, severity and status of what was told."""
        return [(each.name, each.severity, each.status.value) for each in self.alerts]


@asynccontextmanager
async def world_of(
    tmp_path: Path, database: Database, clock: FakeClock, *rules: dict[str, Any], **over: Any
) -> AsyncGenerator[World]:
    config = ErrorsConfig.model_validate({"alerts": list(rules), **over})
    async with build_stack(tmp_path, database=database, clock=clock, config=config) as stack:
        yield World(stack, clock)


async def test_the_most_urgent_rule_that_matches_tells_and_only_it(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    rules: list[dict[str, Any]] = [
        {"name": "new", "when": "new", "levels": ["error"]},
        {"name": "fatal", "when": "new", "levels": ["fatal"], "severity": "critical"},
        {"name": "pay", "when": "new", "culprit": "* in call_pay*", "severity": "critical"},
    ]
    async with world_of(tmp_path, database, clock, *rules) as world:
        await world.send(world.make("KeyError"), world.make("PayError"))
        await world.send(world.make("TypeError", level="fatal"))
        await world.send(world.make("OSError", level="warning"))

    assert [(each.name, each.severity, each.labels.get("rule")) for each in world.alerts] == [
        ("NewIssue", "warning", None),
        ("NewIssue", "critical", "pay"),
        ("NewIssue", "critical", "fatal"),
    ]


@pytest.mark.parametrize(
    ("wanted", "is_met"),
    [
        ({"projects": ["resumatch-api"]}, True),
        ({"projects": ["other"]}, False),
        ({"environments": ["production"]}, True),
        ({"environments": ["staging"]}, False),
        ({"releases": ["shop@1.*"]}, True),
        ({"releases": ["shop@2.*", "web@*"]}, False),
        ({"tags": {"server_name": "web-?"}}, True),
        ({"tags": {"server_name": "db-?"}}, False),
        ({"tags": {"nothing": "*"}}, False),
        ({"handled": False}, True),
        ({"handled": True}, False),
        ({"title": "KeyError: *"}, True),
        ({"title": "KeyError"}, False),
        ({"query": "release:shop@1* !environment:staging server_name:web-1"}, True),
        ({"query": "error.unhandled:true (level:fatal OR level:error)"}, True),
        ({"query": "level:fatal"}, False),
        ({"levels": ["error"], "culprit": "*call_keyerror"}, True),
    ],
)
async def test_filters(
    tmp_path: Path, database: Database, clock: FakeClock, wanted: dict[str, Any], *, is_met: bool
) -> None:
    rule: dict[str, Any] = {"name": "mine", "when": "new", **wanted}
    async with world_of(tmp_path, database, clock, rule) as world:
        await world.send(world.make())

    assert bool(world.alerts) is is_met


async def test_tells_of_many_events_of_an_issue_once_and_of_its_end(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    rule: dict[str, Any] = {"name": "many", "when": "events", "severity": "critical", **_COUNT}
    async with world_of(tmp_path, database, clock, rule) as world:
        await world.send(world.make(), world.make(), world.make("OtherError"))
        assert world.told() == []
        await world.send(world.make(), world.make())
        (alert,) = world.alerts
        assert alert.value == 4
        assert alert.generator_path == "/issues/1"
        await world.wait(60)
        assert len(world.alerts) == 1

        await world.wait(300)

        assert world.told() == [
            ("IssueEvents", "critical", "firing"),
            ("IssueEvents", "critical", "resolved"),
        ]
        assert world.alerts[1].fingerprint == alert.fingerprint
        await world.send(*(world.make() for _ in range(3)))
        assert world.alerts[-1].status is AlertStatus.FIRING


async def test_events_that_come_slowly_are_not_many(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    rule: dict[str, Any] = {"name": "many", "when": "events", **_COUNT}
    async with world_of(tmp_path, database, clock, rule) as world:
        for _ in range(10):
            await world.send(world.make())
            await world.wait(150)

        assert world.told() == []


async def test_a_backlog_is_judged_by_when_it_came(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    rules: list[dict[str, Any]] = [
        {"name": "many", "when": "events", **_COUNT},
        {"name": "people", "when": "users", **_COUNT},
    ]
    async with world_of(tmp_path, database, clock, *rules) as world:
        # Three within a minute, then an hour of nothing, all in one batch.
        for number, gap in enumerate((0, 20, 20, 3_600)):
            await clock.advance(gap)
            event = world.make(user={"id": str(number)})
            url = f"/api/1/store/?sentry_key={PROJECT.key}"
            await world.stack.client.post(url, content=orjson.dumps(event))
        await world.stack.drain()

        assert [name for name, *_ in world.told()] == ["IssueEvents", "IssueUsers"]


async def test_an_event_that_comes_twice_counts_once(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    rule: dict[str, Any] = {"name": "many", "when": "events", **_COUNT}
    async with world_of(tmp_path, database, clock, rule) as world:
        event = world.make()
        await world.send(*([event] * 6))
        await world.send(event, event)

        assert world.told() == []


async def test_tells_of_many_users_and_forgets_no_more_than_it_needs(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    rule: dict[str, Any] = {"name": "people", "when": "users", **_COUNT}
    async with world_of(tmp_path, database, clock, rule) as world:
        for user in "abab":
            await world.send(world.make(user={"id": user}))
        assert world.told() == []
        await world.send(*(world.make(user={"id": user}) for user in "cdefgh"))

        assert [(each.name, each.value) for each in world.alerts] == [("IssueUsers", 3)]
        await world.wait(301)
        assert world.told()[-1] == ("IssueUsers", "warning", "resolved")


async def test_tells_of_many_events_of_a_project(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    rule: dict[str, Any] = {"name": "all", "when": "project_events", **_COUNT}
    async with world_of(tmp_path, database, clock, rule) as world:
        await world.send(*(world.make(kind) for kind in ("AError", "BError", "CError")))

        (alert,) = world.alerts
        assert (alert.name, alert.generator_path) == ("ProjectEvents", "/issues?project=1")
        assert "issue" not in alert.labels


async def test_what_people_are_done_with_is_over_and_counts_anew(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    rule: dict[str, Any] = {"name": "many", "when": "events", **_COUNT}
    async with world_of(tmp_path, database, clock, rule) as world:
        await world.send(*(world.make() for _ in range(3)))
        await clock.advance(1)
        await world.stack.set_status([1], IssueStatus.RESOLVED, actor="ada", at=clock.now())
        await world.wait(1)
        assert world.told()[-1] == ("IssueEvents", "warning", "resolved")

        await world.send(world.make(), world.make())
        assert len(world.alerts) == 2
        await world.send(world.make())
        assert world.told()[-1] == ("IssueEvents", "warning", "firing")


async def test_an_archived_issue_counts_for_nothing(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    rule: dict[str, Any] = {"name": "many", "when": "events", **_COUNT}
    async with world_of(tmp_path, database, clock, rule) as world:
        await world.send(world.make())
        await world.stack.set_status([1], IssueStatus.IGNORED, actor="ada", at=clock.now())
        await world.send(*(world.make() for _ in range(9)))

        assert world.told() == []


async def test_a_pause_keeps_an_alert_back(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    rule: dict[str, Any] = {"name": "many", "when": "events", "cool_down": "1h", **_COUNT}
    async with world_of(tmp_path, database, clock, rule) as world:
        for _ in range(3):
            await world.send(*(world.make() for _ in range(3)))
            await world.wait(600)
        assert [status for *_, status in world.told()] == ["firing", "resolved"]

        await world.wait(3_600)
        await world.send(*(world.make() for _ in range(3)))

        assert world.told()[-1][2] == "firing"


async def test_a_lasting_alert_lasts_until_the_issue_is_resolved(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    rule: dict[str, Any] = {"name": "new", "when": "new", "lasting": True}
    async with world_of(tmp_path, database, clock, rule) as world:
        await world.send(world.make())
        await world.wait(7 * 86_400)
        assert [each.is_event for each in world.alerts] == [False]
        await world.stack.set_status([1], IssueStatus.RESOLVED, actor="ada", at=clock.now())
        await world.wait(1)

        assert world.told()[-1] == ("NewIssue", "warning", "resolved")


async def test_a_storm_is_one_alert_with_an_end(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    rule: dict[str, Any] = {"name": "new", "when": "new"}
    storm = {"issues": 3, "window": "2m"}
    async with world_of(tmp_path, database, clock, rule, storm=storm) as world:
        await world.send(*(world.make(f"E{number}Error") for number in range(40)))
        await world.wait(60)
        await world.send(world.make("LateError"))
        await world.wait(119)
        assert [(each.name, each.status.value, each.value) for each in world.alerts] == [
            ("IssueStorm", "firing", 40),
            ("IssueStorm", "firing", 41),
        ]

        await world.wait(1)

        assert world.told()[-1] == ("IssueStorm", "warning", "resolved")
        assert len({each.fingerprint for each in world.alerts}) == 1
        await world.send(world.make("NextError"))
        assert world.told()[-1][0] == "NewIssue"


async def test_what_the_sink_did_not_take_is_told_again_and_the_same(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    rule: dict[str, Any] = {"name": "many", "when": "events", **_COUNT}
    async with world_of(tmp_path, database, clock, rule) as world:
        world.stack.sink.failure = RuntimeError("gone")
        with pytest.raises(RuntimeError):
            await world.send(*(world.make() for _ in range(3)))
        world.stack.sink.failure = None
        await world.timer.look()
        await world.stack.drain()
        assert world.told() == [("IssueEvents", "warning", "firing")]

        await world.wait(301)
        assert len(world.alerts) == 2


@pytest.mark.parametrize(
    "rule",
    [
        {"name": "A", "when": "new"},
        {"name": "a", "when": "new", "threshold": 3},
        {"name": "a", "when": "new", "cool_down": "1m"},
        {"name": "a", "when": "events"},
        {"name": "a", "when": "events", "threshold": 3},
        {"name": "a", "when": "events", "threshold": 3, "window": "59s"},
        {"name": "a", "when": "events", "threshold": 3, "window": "25h"},
        {"name": "a", "when": "users", "threshold": 1_001, "window": "1h"},
        {"name": "a", "when": "new", "title": "x" * 1_000},
        {"name": "a", "when": "never"},
        {"name": "a", "when": "new", "query": "level:(error"},
        {"name": "a", "when": "new", "query": "is:unresolved"},
    ],
)
def test_refuses_rules_that_make_no_sense(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        IssueAlertRule.model_validate(rule)


def test_refuses_two_rules_of_one_name_and_a_storm_of_one() -> None:
    rule = {"name": "a", "when": "new"}
    with pytest.raises(ValidationError, match="two rules are called a"):
        ErrorsConfig.model_validate({"alerts": [rule, rule]})
    with pytest.raises(ValidationError):
        StormConfig(issues=1)
    with pytest.raises(ValidationError):
        StormConfig(window=timedelta(days=2))


class KilledError(Exception):
    """Stands for the end of the process."""


class LastBreath:
    """Hands alerts on, and is killed before anybody hears that it has."""

    def __init__(self, sink: RecordingSink) -> None:
        self._sink = sink

    async def put(self, alerts: Sequence[Alert]) -> None:
        await self._sink.put(alerts)
        raise KilledError


async def test_what_was_told_before_a_kill_ends_although_it_goes_with_a_storm_later(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    rule = {"name": "lasts", "when": "new", "lasting": True}
    over = {"storm": {"issues": 2}}
    async with world_of(tmp_path, database, clock, rule, **over) as world:
        stack = world.stack
        killed = IssueAlertRelay(
            queue=stack.alerts, sink=LastBreath(stack.sink), severity="warning", clock=clock
        )
        for kind in ("KeyError", "TypeError"):
            url = f"/api/1/store/?sentry_key={PROJECT.key}"
            await stack.client.post(url, content=orjson.dumps(world.make(kind)))
            await stack.digest.digest_batch()
            if kind == "KeyError":
                with pytest.raises(KilledError):
                    await killed.relay()
        await stack.drain()
        assert world.told() == [
            ("NewIssue", "warning", "firing"),
            ("IssueStorm", "warning", "firing"),
        ]

        await stack.set_status([1, 2], IssueStatus.RESOLVED, actor="a", at=clock.now())
        await world.wait(1)

    first, end = world.alerts[0], world.alerts[-1]
    assert (end.status, end.labels) == (AlertStatus.RESOLVED, first.labels)
