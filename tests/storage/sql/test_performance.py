"""Performance in SQL: each segment once, bounded, forgotten."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from resumatch_monitor.kit.clock import from_milliseconds
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.performance import SqlPerformanceStore
from resumatch_monitor.storage.sql.performance_read import SqlPerformanceReader
from resumatch_monitor.storage.sql.tables import METADATA
from resumatch_monitor.tracing.model import SpanStatus
from resumatch_monitor.tracing.performance.config import PerformanceConfig
from resumatch_monitor.tracing.performance.model import DURATION, OTHER
from resumatch_monitor.tracing.performance.store import (
    EndpointFilter,
    EndpointKey,
    FindingFilter,
    Window,
)
from tests.support.performance import make_facts, make_query, make_segment
from tests.support.spans import START, START_US

pytestmark = pytest.mark.anyio

START_MS = START_US // 1_000
HOUR = Window(START_MS, START_MS + 3_600_000, 60)
USERS = EndpointKey(1, "GET /users/{id}", "http.server")
ALL = EndpointFilter()


def make_store(database: Database, **config: int) -> SqlPerformanceStore:
    return SqlPerformanceStore(database, PerformanceConfig.model_validate(config))


async def test_a_segment_counts_once_however_often_it_comes(database: Database) -> None:
    store, reader = make_store(database), SqlPerformanceReader(database)
    one, two = make_facts(make_segment(1)), make_facts(make_segment(2, status=SpanStatus.ERROR))

    first = await store.add([one, one])
    second = await store.add([one, two])

    assert (first, second) == ([one], [two])
    ((figures,),) = (await reader.read_endpoints(ALL, [HOUR], [DURATION])).values()
    assert (figures.seen, figures.count, figures.failed) == (2, 2, 1)


async def test_percentiles_are_those_of_all_minutes_of_a_window(database: Database) -> None:
    store, reader = make_store(database), SqlPerformanceReader(database)
    facts = [
        make_facts(make_segment(number, milliseconds=number, minute=number / 3))
        for number in range(1, 101)
    ]
    for begin in range(0, 100, 30):
        await store.add(facts[begin : begin + 30])

    found = await reader.read_endpoints(ALL, [HOUR, HOUR.before()], [DURATION])

    now, before = found[USERS, DURATION]
    assert now.distribution().quantile(0.95) == pytest.approx(95_000, rel=0.02)
    assert (before.count, len(now.by_step)) == (0, 34)
    hours = Window(START_MS, START_MS + 3_600_000, 3_600)
    ((coarse,),) = (await reader.read_endpoints(ALL, [hours], [DURATION])).values()
    assert coarse.distribution().quantile(0.95) == now.distribution().quantile(0.95)


async def test_endpoints_beyond_the_limit_are_counted_together(database: Database) -> None:
    store, reader = make_store(database, endpoints_per_project=3), SqlPerformanceReader(database)

    await store.add(
        [make_facts(make_segment(number, name=f"/page-{number}")) for number in range(1, 7)]
    )

    found = await reader.read_endpoints(ALL, [HOUR], [DURATION])
    counts = {key.name: figures.count for (key, _), (figures,) in found.items()}
    assert counts == {"/page-1": 1, "/page-2": 1, "/page-3": 1, OTHER: 3}


async def test_statements_are_counted_by_who_calls_them(database: Database) -> None:
    store, reader = make_store(database), SqlPerformanceReader(database)
    queries = [make_query(2, "SELECT 1 FROM a", milliseconds=30), make_query(3, "SELECT 2 FROM a")]
    await store.add(
        [
            make_facts(make_segment(1, *queries)),
            make_facts(make_segment(2, queries[0], name="/other")),
        ]
    )
    window = Window(START_MS, START_MS + 3_600_000, 300)

    (line,) = await reader.read_statements("db", ALL, window)
    detail = await reader.read_statement(line.id, window)

    assert (line.figures.count, line.endpoints, line.tables) == (3, 2, ("a",))
    assert detail is not None
    assert [(key.name, figures.count) for key, figures in detail.callers] == [
        ("GET /users/{id}", 2),
        ("/other", 1),
    ]
    assert detail.examples[0].duration_us == 30_000


async def test_the_slowest_of_an_hour_are_remembered(database: Database) -> None:
    store, reader = make_store(database), SqlPerformanceReader(database)
    for begin in range(1, 60, 20):
        await store.add(
            [
                make_facts(make_segment(number, milliseconds=number))
                for number in range(begin, begin + 20)
            ]
        )

    examples = await reader.read_examples(ALL, HOUR, limit=20)

    assert [example.duration_us for example in examples] == [60_000, 59_000, 58_000, 57_000, 56_000]


async def test_a_finding_is_told_once(database: Database) -> None:
    store, reader = make_store(database), SqlPerformanceReader(database)
    slow = [make_query(2, "SELECT * FROM a", milliseconds=2_000)]
    await store.add([make_facts(make_segment(1, *slow))])
    (untold,) = await store.untold_findings(10)
    await store.mark_told([untold], [])

    await store.add([make_facts(make_segment(2, *slow, minute=5))])

    assert await store.untold_findings(10) == []
    (finding,) = await reader.read_findings(FindingFilter(ALL), after=None, limit=10)
    assert (finding.count, finding.endpoint, len(finding.examples)) == (2, "GET /users/{id}", 2)
    assert finding.last_seen_at - finding.first_seen_at == timedelta(minutes=5)


async def test_minutes_go_before_hours_and_nothing_stays(database: Database) -> None:
    store, reader = make_store(database), SqlPerformanceReader(database)
    query = make_query(2, "SELECT * FROM a", milliseconds=2_000)
    await store.add([make_facts(make_segment(1, query))])

    while await store.expire(START + timedelta(days=3)):
        pass
    fine = await reader.read_endpoints(ALL, [HOUR], [DURATION])
    hours = Window(START_MS, START_MS + 3_600_000, 3_600)
    coarse = await reader.read_endpoints(ALL, [hours], [DURATION])
    while await store.expire(START + timedelta(days=91)):
        pass

    assert (len(fine), len(coarse)) == (0, 1)
    tables = [table for name, table in METADATA.tables.items() if name.startswith("performance_")]
    counts = await database.read(
        lambda connection: {
            table.name: connection.scalar(select(func.count()).select_from(table))
            for table in tables
        }
    )
    assert {name for name, count in counts.items() if count} == {"performance_counted"}


async def test_a_segment_without_an_environment_is_found_as_such(database: Database) -> None:
    store, reader = make_store(database), SqlPerformanceReader(database)
    await store.add([make_facts(make_segment(1, environment=""))])

    assert (await reader.facets())["environments"] == [""]
    assert await reader.read_endpoints(EndpointFilter(environment=""), [HOUR], [DURATION])
    assert from_milliseconds(START_MS) == START
