import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from resumatch_monitor.errortracking.issues import Issue, IssueQuery, IssueSort, IssueStatus
from resumatch_monitor.errortracking.keeping import KeptFor
from resumatch_monitor.errortracking.retention import ErrorRetention
from resumatch_monitor.sentry.items import ItemKind, ItemRecord, encode_record
from resumatch_monitor.storage.sql import issues_retention
from resumatch_monitor.storage.sql.database import Database
from tests.support.clock import FakeClock
from tests.support.errors import (
    PROJECT,
    ErrorStack,
    build_stack,
    make_event,
    make_exception,
)

pytestmark = pytest.mark.anyio

_NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def at(minutes: float) -> str:
    return (_NOW + timedelta(minutes=minutes)).isoformat()


async def send(stack: ErrorStack, *events: dict[str, Any]) -> None:
    """Put events through the door, one envelope each, and digest them."""
    for event in events:
        response = await stack.client.post(
            f"/api/1/store/?sentry_key={PROJECT.key}", content=orjson.dumps(event)
        )
        assert response.status_code == 200, response.text
    await stack.drain()


async def only_issue(stack: ErrorStack) -> Issue:
    page = await stack.reader.list_issues(IssueQuery(), _NOW)
    assert len(page.items) == 1
    return page.items[0]


async def test_counts_events_users_releases_and_times(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await send(
            stack,
            make_event(1, timestamp=at(-60), release="shop@1.1", user={"id": "ada"}),
            make_event(2, timestamp=at(-90), release="shop@1.0", user={"id": "bob"}),
            make_event(3, timestamp=at(-1), release="shop@1.2", user={"id": "ada"}),
        )
        issue = await only_issue(stack)

    assert (issue.event_count, issue.user_count) == (3, 2)
    assert (issue.first_release, issue.last_release) == ("shop@1.0", "shop@1.2")
    assert issue.first_seen_at == _NOW - timedelta(minutes=90)
    assert issue.last_seen_at == _NOW - timedelta(minutes=1)
    assert issue.sparkline[-3:] == (1, 2, 0)
    assert issue.short_id == "RESUMATCH-API-1"


async def test_counts_an_event_once_however_often_it_comes(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await send(stack, make_event(1), make_event(1))
        await send(stack, make_event(1), make_event(2))
        issue = await only_issue(stack)
        assert issue.event_count == 2
        assert stack.sample("resumatch_monitor_errors_events_total", outcome="duplicate") == 2


async def test_counts_a_replayed_batch_once(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await asyncio.gather(*(stack.spool.append(record) for record in make_records(30)))
        batch = await stack.spool.read_batch(100, 1_000_000)
        await stack.digest.digest_batch()
        # A crash between storing and committing: the same records come again.
        await asyncio.gather(*(stack.spool.append(record) for record in batch.records))
        await stack.drain()

        assert (await only_issue(stack)).event_count == 30
        assert len(stack.sink.alerts) == 1


def make_records(count: int) -> list[bytes]:
    return [
        encode_record(
            ItemRecord(
                ItemKind.EVENT,
                1,
                f"{number:032x}",
                _NOW,
                orjson.dumps(make_event(number)),
                f"{number:032x}",
            )
        )
        for number in range(1, count + 1)
    ]


async def test_an_event_after_resolution_reopens_and_tells_once(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await send(stack, make_event(1, timestamp=at(-10)))
        await stack.set_status([1], IssueStatus.RESOLVED, actor="alice", at=_NOW)
        await clock.advance(300)
        await send(stack, make_event(2, timestamp=at(-5)))
        assert (await only_issue(stack)).status is IssueStatus.RESOLVED

        await send(stack, make_event(3, timestamp=at(4)), make_event(4, timestamp=at(4)))
        issue = await only_issue(stack)
        detail = await stack.reader.get_issue(1, _NOW)

        assert issue.status is IssueStatus.UNRESOLVED
        assert issue.is_regressed
        assert issue.event_count == 4
        assert [(alert.name, alert.status.value) for alert in stack.sink.alerts] == [
            ("NewIssue", "firing"),
            ("NewIssue", "resolved"),
            ("IssueRegressed", "firing"),
        ]
        assert detail is not None
        assert [each.kind for each in detail.activity] == ["regressed", "resolved", "created"]


async def test_an_ignored_issue_stays_ignored(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await send(stack, make_event(1))
        await stack.set_status([1], IssueStatus.IGNORED, actor="alice", at=_NOW)
        await clock.advance(60)
        await send(stack, make_event(2))

        issue = await only_issue(stack)
        assert (issue.status, issue.event_count) == (IssueStatus.IGNORED, 2)
        assert [alert.status.value for alert in stack.sink.alerts] == ["firing", "resolved"]


async def test_synthetic_events_are_flagged_and_never_tell(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    synthetic = {"tags": {"synthetic": "true"}, "user": {"id": "probe"}}
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await send(stack, make_event(1, **synthetic))
        issue = await only_issue(stack)
        assert (issue.is_synthetic, issue.user_count, stack.sink.alerts) == (True, 0, [])

        await send(stack, make_event(2))
        assert not (await only_issue(stack)).is_synthetic
        assert [alert.name for alert in stack.sink.alerts] == ["NewIssue"]

        await stack.set_status([1], IssueStatus.RESOLVED, actor="alice", at=_NOW)
        await clock.advance(60)
        await send(stack, make_event(3, **synthetic))
        assert (await only_issue(stack)).status is IssueStatus.RESOLVED


async def test_alerts_wait_until_the_sink_takes_them(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        stack.sink.failure = RuntimeError("the outbox is closed")
        with pytest.raises(RuntimeError):
            await send(stack, make_event(1))
        stack.sink.failure = None
        await stack.drain()
        await stack.drain()

        assert len(stack.sink.alerts) == 1
        alert = stack.sink.alerts[0]
        assert not alert.is_event
        assert alert.generator_path == "/issues/1"
        assert alert.labels["issue"] == "RESUMATCH-API-1"


async def test_bounds_the_values_of_a_tag_but_not_its_total(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    events = [make_event(number, tags={"request": f"r{number}"}) for number in range(1, 131)]
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await send(stack, *events)
        detail = await stack.reader.get_issue(1, _NOW)
        kept = await database.read(
            lambda c: c.scalar(text("SELECT count(*) FROM issue_tags WHERE key = 'request'"))
        )

    assert kept == 100
    assert detail is not None
    assert next(tag.total for tag in detail.tags if tag.key == "request") == 130


async def test_keeps_the_events_of_an_issue_that_tell_most(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    events = [
        make_event(
            number,
            timestamp=at(number - 60),
            release="shop@2" if number >= 20 else "shop@1",
            tags={"plan": "free" if number == 5 else "pro"},
        )
        for number in range(1, 61)
    ]
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await send(stack, *events)
        await stack.store.trim(events_per_issue=20, events_per_project=1_000)
        page = await stack.reader.list_events(1, cursor=None, limit=100)
        issue = await only_issue(stack)

    told = {int(each.event_id, 16): each.kept_for for each in page.items}
    assert len(told) == 18
    assert set(range(52, 61)) <= set(told)
    assert told[1] is KeptFor.FIRST
    assert told[5] is KeptFor.TAG
    assert told[20] is KeptFor.RELEASE
    assert told[60] is KeptFor.NOTHING
    assert (issue.event_count, issue.stored_count) == (60, 18)


async def test_a_project_with_too_many_events_loses_some_of_its_most_frequent_issues(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    rare = {"values": [make_exception("RareError", "x", "rare")]}
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await send(stack, *(make_event(number) for number in range(1, 61)))
        await send(stack, make_event(61, exception=rare), make_event(62, exception=rare))
        await stack.store.trim(events_per_issue=1_000, events_per_project=40)
        page = await stack.reader.list_issues(IssueQuery(), _NOW)

    stored = {issue.type: issue.stored_count for issue in page.items}
    assert stored["RareError"] >= 1
    assert sum(stored.values()) <= 40
    assert sum(issue.event_count for issue in page.items) == 62


async def test_an_issue_with_more_events_than_are_looked_at_once_still_loses_some(
    tmp_path: Path, database: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issues_retention, "_CANDIDATES_MAX", 20)
    monkeypatch.setattr(issues_retention, "_EVENTS_PER_BITE", 5)
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await send(stack, *(make_event(number) for number in range(1, 61)))
        await stack.store.trim(events_per_issue=40, events_per_project=1_000)
        of_issue = await only_issue(stack)
        await stack.store.trim(events_per_issue=1_000, events_per_project=30)
        of_project = await only_issue(stack)

    assert 30 < of_issue.stored_count <= 40
    assert 20 < of_project.stored_count <= 30
    assert of_project.event_count == 60


async def test_retention_deletes_events_and_then_their_issue(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await send(stack, make_event(1))
        clock.jump(timedelta(days=60))
        other = {"values": [make_exception("ValueError", "x", "other")]}
        await send(stack, make_event(2, exception=other))
        clock.jump(timedelta(days=40))
        retention = ErrorRetention(store=stack.store, retention=timedelta(days=90), clock=clock)
        expiring = asyncio.create_task(retention.expire())
        while not expiring.done():
            await clock.advance(1)
        await expiring

        assert (await only_issue(stack)).type == "ValueError"
        rows = await database.read(
            lambda c: [
                c.scalar(text(f"SELECT count(*) FROM {table}"))
                for table in ("issue_events", "issue_hours", "issue_tags", "issue_groupings")
            ]
        )
        assert rows[0] == 1
        assert rows[1] == 1
        assert rows[3] == 1


async def test_the_id_of_an_issue_that_is_gone_is_not_used_again(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await send(stack, make_event(1))
        gone = await only_issue(stack)
        clock.jump(timedelta(days=100))
        now = clock.now()
        while await stack.store.expire(now - timedelta(days=90), now=now):
            pass
        assert not (await stack.reader.list_issues(IssueQuery(), _NOW)).items
        await send(stack, make_event(2))
        other = await only_issue(stack)

    assert other.id > gone.id


@pytest.mark.parametrize("sort", list(IssueSort))
async def test_pages_hold_every_issue_once_in_every_order(
    tmp_path: Path, database: Database, clock: FakeClock, sort: IssueSort
) -> None:
    events = [
        make_event(number, exception={"values": [make_exception("E", "x", f"f{number % 23}")]})
        for number in range(1, 60)
    ]
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await send(stack, *events)
        await stack.set_status([3, 4, 5], IssueStatus.RESOLVED, actor="a", at=_NOW)
        found: list[Issue] = []
        cursor: str | None = None
        while True:
            page = await stack.reader.list_issues(
                IssueQuery(sort=sort, cursor=cursor, limit=5), _NOW
            )
            found.extend(page.items)
            cursor = page.next_cursor
            if cursor is None:
                break

    assert page.total == 23
    assert len({issue.id for issue in found}) == len(found) == 23
    if sort is IssueSort.EVENTS:
        counts = [issue.event_count for issue in found]
        assert counts == sorted(counts, reverse=True)


async def test_overview_tells_what_changed(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await send(stack, make_event(1))
        await clock.advance(60)
        await stack.set_status([1], IssueStatus.RESOLVED, actor="alice", at=clock.now())
        assert await stack.reader.count_unresolved() == 0
        await clock.advance(60)
        await send(stack, make_event(2))

        assert await stack.reader.count_unresolved() == 1
        newest = await stack.reader.newest_unresolved(5, clock.now())
        changes = await stack.reader.changes_since(_NOW - timedelta(hours=1), 10)

    assert [issue.id for issue in newest] == [1]
    kinds = [change.kind for change in changes]
    assert kinds[:2] == ["issue_regressed", "issue_resolved"]
    assert sorted(kinds[2:]) == ["issue_new", "release_seen"]
    assert changes[0].path == "/issues/1"


async def test_sets_aside_what_cannot_be_read_and_goes_on(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await stack.spool.append(b"garbage")
        await stack.spool.append(b'{"v":1,"project":1,"event_id":"xx","received_ms":1}\n{"a":1}')
        await send(stack, make_event(1))

        assert (await only_issue(stack)).event_count == 1
        assert await stack.store.count_dead_letters() == 2
        assert stack.spool.pending == 0
        assert stack.sample("resumatch_monitor_errors_events_total", outcome="set_aside") == 2
