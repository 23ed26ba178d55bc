from collections.abc import Sequence

import pytest

from resumatch_monitor.dispatch.policy.config import AlertingConfig
from resumatch_monitor.dispatch.practice.drills import DrillSender, SentDrill
from resumatch_monitor.dispatch.routing.build import build_route
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.notify.notifier import Integration, IntegrationId
from resumatch_monitor.storage.sql.alerts import SqlAlerts
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from tests.dispatch.builders import Recorder, make_alert
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio

CONFIG = AlertingConfig.model_validate(
    {
        "receivers": [
            {
                "name": "team",
                "webhook": [{"url": "http://hook.test/a"}],
                "pagerduty": [{"routing_key": "0" * 32}],
            },
            {"name": "boss", "webhook": [{"url": "http://hook.test/b"}]},
        ],
        "escalations": [{"name": "up", "steps": [{"after": "15m", "receiver": "boss"}]}],
        "route": {
            "receiver": "team",
            "group_by": ["alertname"],
            "group_wait": "30s",
            "routes": [
                {"matchers": ['severity="info"'], "receiver": "team", "digest": "weekly"},
                {"matchers": ['severity="critical"'], "escalation": "up"},
            ],
        },
    }
)
TEAM_HOOK = IntegrationId("team", "webhook", 0)
TEAM_PAGER = IntegrationId("team", "pagerduty", 0)
BOSS_HOOK = IntegrationId("boss", "webhook", 0)


class Desk:
    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.outbox = SqlOutbox(database)
        self.clock = clock
        self.wakes = 0
        self.sender = DrillSender(
            store=SqlAlerts(database),
            route=build_route(CONFIG),
            integrations=[
                Integration(TEAM_HOOK, Recorder()),
                Integration(TEAM_PAGER, Recorder(), send_resolved=False),
                Integration(BOSS_HOOK, Recorder()),
            ],
            on_outbox_change=self._wake,
            clock=clock,
            ids=RandomIds(),
        )

    def _wake(self) -> None:
        self.wakes += 1

    async def send(self, *, severity: str = "critical", pages: bool = False) -> list[SentDrill]:
        alert = make_alert("Slow", severity=severity, drill="true", starts_at=self.clock.now())
        return await self.sender.send("d1", [alert], pages=pages)

    async def queued(self, integration: IntegrationId) -> Sequence[str]:
        due = await self.outbox.take_due(integration, now=self.clock.now(), limit=10)
        return [each.notification.kind.value for each in due]


@pytest.fixture
def desk(database: Database, clock: FakeClock) -> Desk:
    return Desk(database, clock)


async def test_goes_to_the_channels_of_the_real_alert_and_spares_pagers(desk: Desk) -> None:
    (sent,) = await desk.send()

    assert (sent.receiver, sent.told, sent.spared) == ("team", [TEAM_HOOK], [TEAM_PAGER])
    assert dict(sent.group_labels) == {"alertname": "Slow"}
    assert sent.wait.total_seconds() == 30
    assert sent.notification is not None
    assert sent.notification.is_drill
    assert sent.notification.group_key.startswith("drill/d1/")
    assert await desk.queued(TEAM_HOOK) == ["firing"]
    assert await desk.queued(TEAM_PAGER) == []
    assert desk.wakes == 1


async def test_pages_and_escalates_if_asked_for(desk: Desk) -> None:
    team, boss = await desk.send(pages=True)

    assert team.told == [TEAM_HOOK, TEAM_PAGER]
    assert (boss.receiver, boss.told, boss.after.total_seconds()) == ("boss", [BOSS_HOOK], 900)
    assert boss.notification is not None
    assert boss.notification.escalation
    assert await desk.queued(TEAM_PAGER) == ["firing"]
    assert await desk.queued(BOSS_HOOK) == ["firing"]


async def test_says_that_it_is_over_to_those_who_want_to_hear_it(desk: Desk) -> None:
    sent = await desk.send(pages=True)
    # What is still queued would be superseded, as for any group.
    await desk.sender.resolve(sent, desk.clock.now())

    assert await desk.queued(TEAM_PAGER) == ["firing"]
    assert await desk.queued(TEAM_HOOK) == ["resolved"]


async def test_what_only_a_digest_lists_is_told_to_nobody(desk: Desk) -> None:
    sent = await desk.send(severity="info")

    assert sent == []
    assert desk.sender.digests_of(make_alert(severity="info")) == ["team, weekly"]


async def test_leaves_no_trace_among_the_alerts_and_groups(desk: Desk, database: Database) -> None:
    await desk.send()

    snapshot = await SqlAlerts(database).load()
    assert (list(snapshot.occurrences), dict(snapshot.groups), dict(snapshot.told)) == ([], {}, {})


async def test_the_log_tells_which_drill_a_message_belongs_to(desk: Desk) -> None:
    await desk.send()

    (record,) = await desk.outbox.list_deliveries(limit=10)
    assert (record.drill_id, record.title) == ("d1", "[DRILL] [FIRING:1] Slow (critical)")
