"""Sessions of releases: read, counted once, whatever order their updates come in."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, permutations
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.releases.health import (
    MOST_GROUPS,
    Health,
    ReleaseFilter,
    ReleaseSummary,
    SessionProcessor,
)
from resumatch_monitor.releases.sessions import SessionError, read_sessions
from resumatch_monitor.releases.users import UserSketch
from resumatch_monitor.sentry.items import ItemKind, ItemRecord
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.release_health import SqlHealthReader
from resumatch_monitor.storage.sql.sessions import SqlSessionStore

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 1, 5, 12, 30, tzinfo=UTC)
ATTRIBUTES = {"release": "shop@1.0", "environment": "live"}
RELEASE = ReleaseSummary(1, "shop@1.0", NOW)


class Rig:
    """Sessions without the door; `say` returns the record, to be said again."""

    def __init__(self, database: Database) -> None:
        self.store = SqlSessionStore(database)
        self.reader = SqlHealthReader(database)
        self.processor = SessionProcessor(store=self.store, telemetry=Telemetry())
        self._ids = count(1)

    def make(self, payload: Any, kind: ItemKind = ItemKind.SESSION) -> ItemRecord:
        return ItemRecord(kind, 1, f"{next(self._ids):032x}", NOW, orjson.dumps(payload))

    async def say(self, *payloads: Any, kind: ItemKind = ItemKind.SESSION) -> Sequence[ItemRecord]:
        records = [self.make(payload, kind) for payload in payloads]
        await self.processor.process(records)
        return records

    async def health(self) -> Health:
        found = await self.reader.health(
            [RELEASE], since=NOW - timedelta(hours=24), environment=None
        )
        return found.get((1, "shop@1.0"), Health())


def session(sid: int, **fields: Any) -> dict[str, Any]:
    return {
        "sid": f"{sid:032x}",
        "started": "2026-01-05T12:10:00Z",
        "status": "ok",
        "errors": 0,
        "attrs": ATTRIBUTES,
        **fields,
    }


def read_all(folder: Path) -> bytes:
    content = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert content
    return content


@pytest.fixture
def rig(database: Database) -> Rig:
    return Rig(database)


async def test_updates_of_a_session_count_once_in_any_order(rig: Rig) -> None:
    updates = [
        session(0, init=True, did="ada"),
        session(0, errors=2, did="ada"),
        session(0, status="crashed", did="ada"),
    ]
    for number, order in enumerate(permutations(updates), start=1):
        for update in order:
            await rig.say({**update, "sid": f"{number:032x}"})

    health = await rig.health()
    assert (health.total, health.crashed, health.errored) == (6, 6, 0)
    assert (health.users, health.crashed_users) == (1, 1)


async def test_an_update_that_is_digested_again_changes_nothing(rig: Rig) -> None:
    aggregate = {"started": "2026-01-05T12:00:00Z", "exited": 7, "crashed": 1, "errored": 2}
    counted = {"attrs": ATTRIBUTES, "aggregates": [aggregate]}
    records = [*await rig.say(session(1)), *await rig.say(counted, kind=ItemKind.SESSIONS)]
    await rig.processor.process(records)

    health = await rig.health()
    assert (health.total, health.crashed, health.errored) == (11, 1, 2)
    assert health.crash_free_sessions == pytest.approx(10 / 11)
    assert health.crash_free_users is None


async def test_users_are_not_united_in_the_event_loops_thread(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.say(session(1, did="ada"))
    threads: set[threading.Thread] = set()
    count_users = UserSketch.count

    def count_and_note(sketch: UserSketch) -> int:
        threads.add(threading.current_thread())
        return count_users(sketch)

    monkeypatch.setattr(UserSketch, "count", count_and_note)
    await rig.health()
    await rig.reader.by_hour(1, "shop@1.0", since=NOW - timedelta(hours=24))

    assert threads
    assert threading.current_thread() not in threads


async def test_a_session_stays_in_the_hour_in_which_it_began(rig: Rig) -> None:
    await rig.say(session(1), session(1, status="exited", started="2026-01-05T11:10:00Z"))
    detail = await rig.reader.by_hour(1, "shop@1.0", since=NOW - timedelta(hours=24))

    assert {hour.hour: each.total for hour, each in detail.hours.items()} == {12: 1}
    assert list(detail.environments) == ["live"]


async def test_users_are_counted_and_not_remembered(rig: Rig, tmp_path: Path) -> None:
    await rig.say(*(session(n, did=f"user-{n % 300}") for n in range(1, 601)))
    await rig.say(*(session(n, did=f"user-{n % 300}", status="crashed") for n in range(1, 31)))

    health = await rig.health()
    assert health.users == pytest.approx(300, rel=0.03)
    assert health.crash_free_users == pytest.approx(0.9, abs=0.01)
    assert b"user-7" not in read_all(tmp_path)


async def test_a_release_appears_with_its_first_session_and_is_adopted(rig: Rig) -> None:
    await rig.say(session(1), session(2, attrs={"release": "shop@2.0"}))

    found = await rig.reader.list_releases(ReleaseFilter(1), offset=0, limit=10)
    assert {each.version for each in found} == {"shop@1.0", "shop@2.0"}
    current = await rig.reader.current(since=NOW - timedelta(hours=24), limit=10)
    assert sorted(current) == [
        (1, "shop@1.0", "live", 1, 0),
        (1, "shop@2.0", "production", 1, 0),
    ]


async def test_an_hour_has_room_for_so_many_releases(rig: Rig) -> None:
    await rig.say(*(session(n, attrs={"release": f"r{n}"}) for n in range(1, MOST_GROUPS + 4)))

    current = await rig.reader.current(since=NOW - timedelta(hours=24), limit=1_000)
    assert len(current) == MOST_GROUPS


async def test_what_is_old_is_forgotten(rig: Rig) -> None:
    await rig.say(session(1))

    assert await rig.store.expire(NOW + timedelta(days=1)) == 0
    assert await rig.store.expire(NOW + timedelta(days=6)) == 1
    assert await rig.store.expire(NOW + timedelta(days=91)) == 1
    assert await rig.health() == Health()


@pytest.mark.parametrize("payload", [[], {"sid": "a"}, {"sid": "a", "attrs": {"release": " "}}])
def test_what_is_of_no_release_is_told(payload: Any) -> None:
    with pytest.raises(SessionError):
        read_sessions(ItemRecord(ItemKind.SESSION, 1, "a" * 32, NOW, orjson.dumps(payload)))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["started", "exited", "crashed", "did"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from(["sid", "did", "started", "status", "errors", "aggregates"]), _JSON
    ),
    st.sampled_from([ItemKind.SESSION, ItemKind.SESSIONS]),
)
def test_nothing_else_is_raised(payload: dict[str, Any], kind: ItemKind) -> None:
    data = orjson.dumps({**payload, "attrs": ATTRIBUTES})
    for each in read_sessions(ItemRecord(kind, 1, "a" * 32, NOW, data)):
        assert each.count > 0
        assert each.group.hour <= NOW


@given(st.sets(st.integers(0, 2**64 - 1), max_size=200), st.sets(st.integers(0, 2**64 - 1)))
def test_a_union_of_sketches_is_the_sketch_of_the_union(one: set[int], two: set[int]) -> None:
    both, first, second = UserSketch(), UserSketch(), UserSketch()
    both.add(one | two)
    first.add(one)
    second.add(two)
    first.unite(UserSketch(second.pack()))

    assert first.pack() == both.pack()


async def test_the_newest_hours_are_shown_of_a_release_with_too_many(database: Database) -> None:
    rig = Rig(database)
    for hour in (9, 10, 11):
        for environment in ("live", "test"):
            attributes = {**ATTRIBUTES, "environment": environment}
            aggregate = {"started": f"2026-01-05T{hour:02}:00:00Z", "exited": hour}
            counted = {"attrs": attributes, "aggregates": [aggregate]}
            await rig.say(counted, kind=ItemKind.SESSIONS)
    since = NOW - timedelta(hours=24)

    whole, cut = [
        await SqlHealthReader(database, rows_max=rows).by_hour(1, "shop@1.0", since=since)
        for rows in (6, 4)
    ]

    assert not whole.is_cut
    assert [each.total for each in whole.hours.values()] == [18, 20, 22]
    assert cut.is_cut
    assert [hour.hour for hour in cut.hours] == [10, 11]
    assert {name: each.total for name, each in cut.environments.items()} == {"live": 21, "test": 21}
