"""Searching issues: what is found, how it is counted, and that it agrees with the predicate."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from resumatch_monitor.errortracking.grouping.project import ProjectGrouping
from resumatch_monitor.errortracking.issues import IssueQuery, IssueSort
from resumatch_monitor.errortracking.prepare import prepare
from resumatch_monitor.errortracking.search.fields import FIELDS
from resumatch_monitor.errortracking.search.parser import parse_event_filter, parse_query
from resumatch_monitor.errortracking.search.predicate import matches
from resumatch_monitor.errortracking.store import DigestedEvent, SearchTooSlowError
from resumatch_monitor.errortracking.user_agents import UserAgents
from resumatch_monitor.sentry.items import ItemKind, ItemRecord
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.sentry.scrub import Scrubber
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.issues_search_bounds import bounded_time
from resumatch_monitor.storage.sql.issues_search_plan import plan_search, read_context
from tests.support.clock import FakeClock
from tests.support.errors import PROJECT, ErrorStack, build_stack, make_event, make_exception

pytestmark = pytest.mark.anyio

_NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
_FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"


def _event(number: int, kind: str, value: str, **more: Any) -> dict[str, Any]:
    exception = {"values": [make_exception(kind, value, f"work_{number}")]}
    minutes = more.pop("minutes", -number)
    at = (_NOW + timedelta(minutes=minutes)).isoformat()
    return make_event(number, exception=exception, timestamp=at, **more)


EVENTS = [
    _event(
        1,
        "KeyError",
        "'salary' is 100% missing",
        release="web@9",
        environment="production",
        user={"email": "ada@example.org"},
        tags={"shard": "7", "plan": "pro"},
        request={"url": "https://shop.example.org/jobs?page=2", "method": "POST"},
        contexts={"response": {"status_code": 503}},
    ),
    _event(
        2,
        "ValueError",
        "bad ÉCLAIR value",
        release="web@8",
        environment="staging",
        level="warning",
        user={"id": "42"},
        tags={"shard": "11", "plan": "free", "level of care": "high"},
        contexts={"response": {"status_code": 404}},
    ),
    _event(
        3,
        "ConnectionTimeout",
        "database [main] is away",
        release="api@1",
        environment="production",
        level="fatal",
        platform="javascript",
        tags={"shard": "-3.5", "plan": "pro*"},
        request={"headers": {"User-Agent": _FIREFOX}},
        minutes=-60 * 24 * 10,
    ),
]
_EVERYWHERE = ("is", "message", "title", "issue", "project")
NAMES = {"KeyError": 1, "ValueError": 2, "ConnectionTimeout": 3}


@pytest.fixture
async def stack(tmp_path: Path, database: Database, clock: FakeClock) -> AsyncGenerator[ErrorStack]:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        for event in EVENTS:
            answer = await stack.client.post(
                f"/api/1/store/?sentry_key={PROJECT.key}", content=orjson.dumps(event)
            )
            assert answer.status_code == 200, answer.text
        await stack.drain()
        yield stack


async def find(stack: ErrorStack, query: str, **more: Any) -> list[int]:
    page = await stack.reader.list_issues(IssueQuery(search=parse_query(query), **more), _NOW)
    assert page.total == len(page.items)
    return sorted(NAMES[issue.type] for issue in page.items)


async def test_finds_by_everything_that_can_be_searched(stack: ErrorStack) -> None:
    wanted = {
        "is:unresolved": [1, 2, 3],
        "is:resolved": [],
        "!is:resolved": [1, 2, 3],
        "is:[resolved, ignored]": [],
        "is:new": [1, 2],
        "is:ongoing": [3],
        "is:regressed": [],
        "is:unassigned": [1, 2, 3],
        "is:for_review": [1, 2],
        "assigned:none": [1, 2, 3],
        "assigned:me": [],
        "project:resumatch-api": [1, 2, 3],
        "project:1 level:fatal": [3],
        "project:other": [],
        "issue:RESUMATCH-API-2": [2],
        "resumatch-api-3": [3],
        "release:web@9": [1],
        "release:web@*": [1, 2],
        "!release:web@*": [3],
        "release:latest": [1],
        "firstRelease:latest": [1],
        "lastRelease:[web@8, api@1]": [2, 3],
        "has:release": [1, 2, 3],
        "environment:production": [1, 3],
        "environment:Production": [],
        "level:[warning, fatal]": [2, 3],
        "platform:javascript": [3],
        "error.type:keyerror": [1],
        "error.type:*Error": [1, 2],
        'error.value:"bad*"': [2],
        "error.unhandled:true": [1, 2, 3],
        "!error.handled:false": [],
        "is:unhandled": [1, 2, 3],
        "message:éclair": [2],
        'message:"100%"': [1],
        "message:100_": [],
        'title:"KeyError: *"': [1],
        "culprit:*work_2": [2],
        "user.email:ada@example.org": [1],
        "user.id:42": [2],
        "user.id:43": [],
        "has:user": [1, 2],
        "!has:user": [3],
        "shard:>7": [2],
        "shard:>=7": [1, 2],
        "shard:<0": [3],
        "plan:pro": [1],
        r"plan:pro\*": [3],
        "plan:pro*": [1, 3],
        "tags[level of care]:high": [2],
        "tags[level]:fatal": [3],
        "has:plan": [1, 2, 3],
        "!has:nothing": [1, 2, 3],
        "browser.name:Firefox": [3],
        'browser:"Firefox 127*"': [3],
        "os.name:Linux": [3],
        "has:device": [],
        "http.status:>499": [1],
        "http.status:404": [2],
        "http.method:POST": [1],
        "http.url:https://shop.example.org/jobs": [1],
        "timesSeen:1": [1, 2, 3],
        "timesSeen:>1": [],
        "users:<1": [3],
        "firstSeen:-24h": [1, 2],
        "firstSeen:+1w": [3],
        "age:+1w": [3],
        "lastSeen:>2026-01-05T11:58:30Z": [1],
        "lastSeen:2026-01-05": [1, 2],
        "lastSeen:<=2025-12-26": [3],
        "ad va": [2],
        "away database": [3],
        '"main] is"': [3],
        "key OR fatal OR level:fatal": [1, 3],
        "(shard:7 OR shard:11) !plan:free": [1],
        "!(shard:7 OR shard:11)": [3],
    }
    assert {query: await find(stack, query) for query in wanted} == wanted


async def test_a_search_and_the_predicate_agree(stack: ErrorStack) -> None:
    events = {number: _digest(event) for number, event in enumerate(EVENTS, start=1)}
    queries = [
        *("key", "ÉCLAIR", "100%", "work_2", "plan:pro*", "plan:pro", "shard:>7", "shard:<=-3.5"),
        *("has:user", "!has:plan", "http.status:>=404", "http.method:POST", "user.id:42"),
        *("user.email:ada@example.org", "title:*away", "culprit:*WORK_1", "platform:PYTHON"),
        *("environment:Production", "environment:prod*", "error.handled:true", "project:resu*"),
        *("release:[web@9, api@1]", "message:*bad*value*", "level:warning OR (shard:7 salary)"),
        *("!(release:web@* message:value)", 'error.value:"* [main] *"', "has:release"),
    ]

    for query in queries:
        node = parse_event_filter(query)
        assert node is not None
        by_predicate = [number for number, event in events.items() if matches(node, event)]
        assert await find(stack, query) == by_predicate, query


def _digest(event: dict[str, Any]) -> DigestedEvent:
    record = ItemRecord(
        kind=ItemKind.EVENT,
        project_id=1,
        item_id=event["event_id"],
        event_id=event["event_id"],
        received_at=_NOW,
        sent_at=None,
        payload=orjson.dumps(event),
    )
    return prepare(
        record,
        scrubber=Scrubber(),
        projects=Projects([PROJECT]),
        retention=timedelta(days=90),
        grouping=ProjectGrouping(),
        agents=UserAgents(),
    )


async def test_the_index_of_texts_follows_every_change(
    stack: ErrorStack, database: Database
) -> None:
    await database.write(
        lambda connection: connection.execute(
            text("UPDATE issues SET search_text = 'nothing of before' WHERE type = 'KeyError'")
        )
    )
    await database.write(
        lambda connection: connection.execute(text("DELETE FROM issues WHERE type = 'ValueError'"))
    )

    assert await find(stack, "salary") == []
    assert await find(stack, "thing of bef") == [1]
    assert await find(stack, "bad") == []
    await database.write(
        lambda connection: connection.execute(
            text("INSERT INTO issue_search (issue_search, rank) VALUES ('integrity-check', 1)")
        )
    )


async def test_what_an_index_finds_is_looked_at_alone(
    stack: ErrorStack, database: Database
) -> None:
    def plan(query: str) -> bool:
        asked = IssueQuery(search=parse_query(query))
        return database.read_blocking(
            lambda connection: (
                plan_search(connection, asked, read_context(connection, asked, _NOW)).seed
                is not None
            )
        )

    assert plan("plan:pro is:unresolved")
    assert plan("salary")
    assert plan("release:web@9")
    assert plan('title:"KeyError: *missing"')
    assert not plan("ab")
    assert not plan("!plan:pro")
    assert not plan("plan:pro OR salary")


async def test_pages_of_every_order_hold_each_issue_once(stack: ErrorStack) -> None:
    for sort in IssueSort:
        for query in ("plan:pro*", "level:[fatal, warning] OR plan:pro", "work"):
            found: list[int] = []
            cursor: str | None = None
            while True:
                asked = IssueQuery(search=parse_query(query), sort=sort, cursor=cursor, limit=1)
                page = await stack.reader.list_issues(asked, _NOW)
                found += [issue.id for issue in page.items]
                cursor = page.next_cursor
                if cursor is None:
                    break
            assert len(found) == len(set(found)) == page.total, (sort, query)


async def test_trends_begin_with_what_grows_most(stack: ErrorStack) -> None:
    await stack.client.post(
        f"/api/1/store/?sentry_key={PROJECT.key}",
        content=orjson.dumps({**EVENTS[1], "event_id": f"{99:032x}"}),
    )
    await stack.drain()

    page = await stack.reader.list_issues(IssueQuery(sort=IssueSort.TREND), _NOW)

    assert [issue.type for issue in page.items] == ["ValueError", "KeyError"]


async def test_days_are_shown_where_hours_are_not_wanted(stack: ErrorStack) -> None:
    asked = IssueQuery(search=parse_query("ConnectionTimeout"), trend_days=14)
    page = await stack.reader.list_issues(asked, _NOW)

    assert page.items[0].sparkline == (0, 0, 0, 1, *[0] * 10)


async def test_whatever_can_be_read_can_be_answered(stack: ErrorStack) -> None:
    queries = [
        *(
            "***",
            '"*"',
            'title:"::: ***"',
            "x:[a*, b]",
            "é" * 300,
            '"\\" \\""',
            "x:>1.5k",
            "[]%_\\",
        ),
        *("users:999999999999999b", "timesSeen:-1", "issue:99999999999999999999", "issue:1*"),
        *("firstSeen:-99999w", "firstSeen:<1970-01-01", "firstSeen:>2999-12-31T23:59:59+14:00"),
        *("*".join("abcdefghijklmnopqrstu"), "release:latest !has:http.url", "has:timesSeen"),
        *(f"!has:{field.name}" for field in FIELDS if field.name not in _EVERYWHERE),
        *(f"{field.name}:{choice}" for field in FIELDS for choice in field.choices),
    ]

    for query in queries:
        for sort in (IssueSort.EVENTS, IssueSort.TREND):
            asked = IssueQuery(search=parse_query(query), sort=sort, me="alice@example.org")
            assert (await stack.reader.list_issues(asked, _NOW)).total <= 3, query


async def test_only_the_asked_project_is_searched(stack: ErrorStack) -> None:
    for query in ("work", "plan:pro", "is:new", "!plan:pro OR work"):
        assert await find(stack, query, project_id=1), query
        assert await find(stack, query, project_id=2) == [], query


async def test_who_asks_is_me(stack: ErrorStack, database: Database) -> None:
    await database.write(
        lambda connection: connection.execute(
            text("UPDATE issues SET assignee = 'alice@example.org' WHERE type = 'KeyError'")
        )
    )

    assert await find(stack, "assigned:me", me="alice@example.org") == [1]
    assert await find(stack, "assigned:me", me="bob@example.org") == []
    assert await find(stack, "assigned:alice@* is:assigned") == [1]
    assert await find(stack, "assigned:none") == [2, 3]


async def test_what_takes_too_long_is_given_up(database: Database) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"

    def read(connection: Any) -> None:
        with bounded_time(connection, seconds=0.05):
            connection.execute(text(endless))

    with pytest.raises(SearchTooSlowError):
        await database.read(read)
    assert await database.read(lambda connection: connection.scalar(text("SELECT 7"))) == 7
