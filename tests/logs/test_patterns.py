"""Patterns of messages: what they have in common, and whether that is new."""

import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.logs.patterns import mark_new, mask, mine_patterns, sample_records
from resumatch_monitor.logs.query.matching import build_predicate
from resumatch_monitor.logs.query.parser import parse_query
from resumatch_monitor.logs.record import LogRecord
from resumatch_monitor.logs.store import LogQuery, StoredRecord
from resumatch_monitor.storage.logindex.store import TantivyLogStore
from tests.support.logs import START_US, make_record, place

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[TantivyLogStore]:
    store = TantivyLogStore(tmp_path / "logs", clock=SystemClock(), min_free_bytes=0)
    store.open()
    yield store
    store.close()


def place_all(records: list[LogRecord]) -> list[StoredRecord]:
    return [StoredRecord(at, record) for at, record in enumerate(records)]


@pytest.mark.parametrize(
    ("message", "masked"),
    [
        ("took 35ms for user u17", "took <*> for user <*>"),
        ("from 10.0.0.1:8080 at 2026-01-05T12:00:00Z", "from <*> at <*>"),
        ("id=3f2b9a10-0c1d-4e5f user_id=7", "id=<*> user_id=<*>"),
        ("Traceback:\n  File 1", "Traceback:"),
        ("a  b\tc", "a b c"),
        ("", ""),
    ],
)
def test_what_differs_is_masked(message: str, masked: str) -> None:
    assert mask(message) == masked


def test_messages_that_are_alike_are_one_pattern() -> None:
    records = [
        make_record(
            f"GET /users/{n} took {n}ms" if n % 3 else f"connection to db-{n} refused by peer",
            timestamp_us=START_US - n * 1_000,
            severity=9 if n % 3 else 17,
            service="api" if n % 2 else "web",
        )
        for n in range(30)
    ]

    requests, refused = mine_patterns(place_all(records))

    assert (requests.template, requests.count) == ("GET /users/<*> took <*>", 20)
    assert (refused.template, refused.count) == ("connection to db-<*> refused by peer", 10)
    assert requests.severities == {"info": 20}
    assert set(requests.services) == {"api", "web"}
    assert (refused.last_us, refused.first_us) == (START_US, START_US - 27_000)
    assert refused.example.record is records[0]
    assert refused.query == '"connection to db" "refused by peer"'
    for record in records:
        pattern = refused if "db" in record.body else requests
        assert build_predicate(parse_query(pattern.query))(record)


def test_words_that_differ_become_a_placeholder() -> None:
    records = [make_record(f"user {name} signed in again") for name in ("ann", "bob", "eve")]

    [pattern] = mine_patterns(place_all(records))

    assert pattern.template == "user <*> signed in again"


def test_hostile_messages_take_bounded_time() -> None:
    bodies = ["a" * 100_000, " ".join("abcdefgh"[n % 8] * (n % 50 + 1) for n in range(5_000)), ""]
    bodies += ["1 " * 5_000, "<*> " * 500, "\n" * 1_000, *(f"x{'y' * n} z" for n in range(997))]
    began = time.process_time()

    patterns = mine_patterns(place_all([make_record(body) for body in bodies]))

    assert time.process_time() - began < 3
    assert sum(pattern.count for pattern in patterns) == len(bodies)


async def test_a_pattern_is_new_if_nothing_before_the_release_has_its_words(
    store: TantivyLogStore,
) -> None:
    def say(offset: int, body: str, release: str) -> LogRecord:
        return make_record(body, timestamp_us=START_US + offset * 1_000_000, release=release)

    await store.append(
        [
            say(0, "GET /a1 took 5ms", "1.0"),
            say(1, "cache warmed", "1.0"),
            say(2, "GET /a2 took 6ms", "2.0"),
            say(3, "retrying payment 7", "2.0"),
            say(4, "12", "2.0"),
        ],
        until=place(1),
    )
    records = await sample_records(store, LogQuery(start_us=START_US + 1_500_000), 10)
    patterns = mine_patterns(records)

    marked = {each.template: each.is_new for each in await mark_new(store, patterns, "2.0")}
    unknown = await mark_new(store, patterns, "3.0")

    assert marked == {
        "GET /<*> took <*>": False,
        "retrying payment <*>": True,
        "<*>": False,
    }
    assert not any(each.is_new for each in unknown)
