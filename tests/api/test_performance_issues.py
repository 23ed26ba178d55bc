"""What is wrong in requests, as issues: found, decided about, back."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from resumatch_monitor.alerts.alert import Alert, AlertSource
from resumatch_monitor.errortracking.alerting.ends import AlertTimer
from resumatch_monitor.errortracking.workflow.due import WorkflowTimer
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.performance import SqlPerformanceStore
from resumatch_monitor.storage.sql.performance_read import SqlPerformanceReader
from resumatch_monitor.tracing.performance.config import PerformanceConfig
from resumatch_monitor.tracing.performance.relay import FindingRelay
from resumatch_monitor.tracing.performance.store import EndpointFilter, Finding, FindingFilter
from tests.support.clock import FakeClock
from tests.support.errors import (
    EDITOR_TOKEN,
    PROJECT,
    ErrorStack,
    bearer,
    build_stack,
    make_event,
)
from tests.support.performance import make_facts, make_query, make_request, make_segment
from tests.support.spans import START

pytestmark = pytest.mark.anyio

_ISSUES = "/api/monitor/issues"
_SLOW = make_query(2, "SELECT * FROM jobs WHERE id = 7", milliseconds=2_000)
_REPEATED = [make_query(n, f"SELECT {n} FROM cv", at=n * 20, milliseconds=15) for n in range(2, 9)]
_ONE_BY_ONE = [
    make_request(n, f"http://pay.test/{n}", at=n * 1_000, milliseconds=900) for n in (2, 3, 4)
]


class World:
    """Error tracking and performance over one database."""

    def __init__(self, stack: ErrorStack, database: Database, clock: FakeClock) -> None:
        self.stack = stack
        self.clock = clock
        self.store = SqlPerformanceStore(database, PerformanceConfig(), slug_of=lambda _: "api")
        self.reader = SqlPerformanceReader(database)
        self.relay = FindingRelay(
            store=self.store, sink=stack.sink, severity="info", slug_of=lambda _: "api", clock=clock
        )
        self._number = 0

    async def see(self, *spans: Any, name: str = "GET /jobs/{id}", release: str = "") -> None:
        """Let a request be counted that begins now."""
        self._number += 1
        minute = (self.clock.now() - START) / timedelta(minutes=1)
        segment = make_segment(
            self._number, *(spans or (_SLOW,)), name=name, minute=minute, release=release
        )
        await self.store.add([make_facts(segment)])
        await self.relay.relay()

    async def ask(self, method: str, path: str = "", **body: Any) -> dict[str, Any]:
        answer = await self.stack.client.request(
            method, f"{_ISSUES}{path}", headers=bearer(EDITOR_TOKEN), json=body or None
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def find(self, query: str) -> list[str]:
        answer = await self.stack.client.get(
            _ISSUES, params={"query": query}, headers=bearer(EDITOR_TOKEN)
        )
        assert answer.status_code == 200, answer.text
        return [each["type"] for each in answer.json()["items"]]

    async def activity(self, number: int = 1) -> list[str]:
        items = (await self.ask("GET", f"/{number}/activity"))["items"]
        return [each["kind"] for each in items]

    async def findings(self, **over: Any) -> list[Finding]:
        wanted = FindingFilter(EndpointFilter(), **over)
        return list(await self.reader.read_findings(wanted, after=None, limit=10))

    async def end(self) -> None:
        """Let ends be found and told, as time does."""
        await AlertTimer(
            ends=self.stack.alerts, wake=self.stack.relay.wake, clock=self.clock
        ).look()
        await self.stack.drain()

    @property
    def alerts(self) -> list[Alert]:
        return self.stack.sink.alerts


@pytest.fixture
async def world(tmp_path: Path, database: Database) -> AsyncGenerator[World]:
    clock = FakeClock(START)
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        yield World(stack, database, clock)


async def test_a_finding_is_an_issue_in_the_list_and_in_searches(world: World) -> None:
    await world.see(release="api@1")
    await world.see(release="api@2")
    await world.see(*_REPEATED, name="GET /cv")
    await world.see(*_ONE_BY_ONE, name="POST /pay")
    url = f"/api/1/store/?sentry_key={PROJECT.key}"
    await world.stack.client.post(url, json=make_event(1, timestamp=START.isoformat()))
    await world.stack.drain()

    slow = await world.ask("GET", "/1")

    assert (slow["category"], slow["issue_type"]) == (
        "performance",
        "performance_slow_db_query",
    )
    assert (slow["type"], slow["culprit"]) == ("Slow DB Query", "GET /jobs/{id}")
    assert slow["value"].startswith("SELECT * FROM jobs WHERE id = ")
    assert (slow["event_count"], slow["stored_count"], slow["user_count"]) == (2, 0, 0)
    assert (slow["first_release"], slow["last_release"]) == ("api@1", "api@2")
    assert slow["environments"] == ["production"]
    assert [each["kind"] for each in slow["activity"]] == ["created"]
    everything = {"Slow DB Query", "N+1 Query", "Consecutive HTTP"}
    assert set(await world.find("issue.category:performance")) == everything
    assert set(await world.find("is:unresolved !issue.category:error")) == everything
    assert await world.find("issue.category:error") == ["KeyError"]
    assert await world.find("issue.type:performance_n_plus_one_db_queries") == ["N+1 Query"]
    assert await world.find("issue.category:http_client") == ["Consecutive HTTP"]
    assert await world.find('transaction:"GET /jobs/{id}" timesSeen:>1') == ["Slow DB Query"]
    assert await world.find("release:api@2 jobs") == ["Slow DB Query"]


async def test_a_finding_that_was_resolved_is_back_and_told_again(world: World) -> None:
    await world.see()
    await world.clock.advance(60)
    decided = await world.ask("PATCH", "/1", status="resolved", assignee="ada")
    assert decided["status"] == "resolved"
    assert [each.issue.status for each in await world.findings(status="resolved") if each.issue]
    assert await world.find("is:unresolved") == []
    # What began before that says nothing against it.
    late = make_facts(make_segment(99, _SLOW, name="GET /jobs/{id}"))
    await world.store.add([late])
    assert (await world.ask("GET", "/1"))["status"] == "resolved"

    await world.clock.advance(60)
    await world.end()
    await world.see()

    issue = await world.ask("GET", "/1")
    assert (issue["status"], issue["is_regressed"], issue["event_count"]) == ("unresolved", True, 3)
    assert issue["assignee"] == "ada"
    assert await world.activity() == ["regressed", "assigned", "resolved", "created"]
    first, over, again = world.alerts
    assert over.ends_at is not None
    assert over.source is AlertSource.PERFORMANCE
    assert {each.fingerprint for each in world.alerts} == {first.fingerprint}
    assert (first.source, first.generator_path) == (AlertSource.PERFORMANCE, "/issues/1")
    assert again.annotations["summary"].startswith("Again: A query took 2.0 s")


async def test_a_finding_rests_until_it_is_seen_again_or_for_a_time(world: World) -> None:
    await world.see()
    await world.ask("PATCH", "/1", status="ignored", archive={"kind": "events", "events": 2})
    await world.see()
    assert (await world.ask("GET", "/1"))["status"] == "ignored"
    await world.see()
    assert (await world.ask("GET", "/1"))["substatus"] == "escalating"

    until = (world.clock.now() + timedelta(hours=1)).isoformat()
    await world.ask("PATCH", "/1", status="ignored", archive={"kind": "until", "until": until})
    await world.see()
    assert (await world.ask("GET", "/1"))["status"] == "ignored"
    await world.clock.advance(3_601)
    await WorkflowTimer(due=world.stack.workflow, clock=world.clock).do_all()

    assert (await world.ask("GET", "/1"))["status"] == "unresolved"
    assert (await world.activity())[:4] == ["reopened", "ignored", "escalated", "ignored"]


async def test_a_finding_in_the_next_release_counts_from_the_releases_that_are_known(
    world: World,
) -> None:
    url = f"/api/1/store/?sentry_key={PROJECT.key}"
    for number, release in enumerate(("api@1", "api@2"), 1):
        await world.clock.advance(60)
        event = make_event(number, timestamp=world.clock.now().isoformat(), release=release)
        await world.stack.client.post(url, json=event)
        await world.stack.drain()
    await world.see(release="api@2")
    await world.clock.advance(60)
    await world.ask("PATCH", "/2", status="resolved", resolution={"kind": "next_release"})

    await world.clock.advance(60)
    await world.see(release="api@2")

    assert (await world.ask("GET", "/2"))["status"] == "resolved"


async def test_comments_bulk_changes_and_undo_work_and_merging_does_not(world: World) -> None:
    await world.see()
    await world.see(*_REPEATED, name="GET /cv")
    said = await world.stack.client.post(
        f"{_ISSUES}/1/comments", json={"text": "An index helps."}, headers=bearer(EDITOR_TOKEN)
    )
    assert said.status_code == 201
    changed = await world.ask(
        "PATCH", matching={"query": "issue.category:performance"}, status="resolved"
    )
    assert changed["updated"] == 2
    await world.ask("POST", f"/undo/{changed['undo']}")
    assert len(await world.find("is:unresolved")) == 2

    merged = await world.stack.client.post(
        f"{_ISSUES}/merge", json={"ids": ["1", "2"], "target": "1"}, headers=bearer(EDITOR_TOKEN)
    )

    assert merged.status_code == 409
    assert "Only issues of errors" in merged.json()["error"]["message"]


async def test_a_finding_outlives_its_issue_and_gets_another(
    world: World, database: Database
) -> None:
    await world.see()
    (finding,) = await world.findings(issue_id=1)
    assert finding.issue is not None
    assert (finding.issue.short_id, len(finding.examples)) == ("API-1", 1)
    later = START + timedelta(days=100)
    while await world.stack.store.expire(later, now=later):
        pass
    assert [each.issue for each in await world.findings()] == [None]

    await world.see()

    (finding,) = await world.findings()
    assert finding.issue is not None
    assert finding.issue.short_id == "API-2"
