"""Records that are not as they should be are kept and found, and hold up nobody."""

from collections.abc import Callable
from typing import Any

import pytest

from resumatch_monitor.logs.query.tree import And, Equals, Exists, Node, Range, Wildcard, Words
from resumatch_monitor.logs.record import LogRecord
from resumatch_monitor.logs.store import LogQuery
from resumatch_monitor.storage.logindex.schema import MAX_NAMES
from resumatch_monitor.storage.logindex.store import TantivyLogStore
from tests.storage.logindex.reading import read_bodies, recent
from tests.support.logs import place

pytestmark = pytest.mark.anyio

OpenStore = Callable[..., TantivyLogStore]

_NAMES = [
    "back\\slash", ".lead", "trail.", "two..dots", "nul\x00name", "line\nbreak", "", " ", "\x01",
    "a\x01\x02b", 'q"uote', "a b", "attributes", "x:y", "(z)", "*",
]  # fmt: skip


async def test_finds_attributes_whatever_their_names_are(open_store: OpenStore) -> None:
    store = open_store()
    records = [
        recent(f"{number}", attributes={name: f"value {number}"})
        for number, name in enumerate(_NAMES)
    ]
    await store.append(records, until=place(1))

    for _ in range(2):
        for number, name in enumerate(_NAMES):
            assert await read_bodies(store, Equals(name, f"value {number}")) == [f"{number}"], name
            assert await read_bodies(store, Exists(name)) == [f"{number}"], name
            assert await read_bodies(store, Wildcard(name, "val*")) == [f"{number}"], name
            top = await store.top_values(LogQuery(), name, limit=3)
            assert top.values == ((f"value {number}", 1),), name
        store = open_store()


async def test_does_not_take_one_name_and_value_for_another(open_store: OpenStore) -> None:
    store = open_store()
    pairs = [("a\x00b", "c"), ("a", "b\x00c"), ("a\x01", "x"), ("a\x01\x01", "x")]
    records = [recent(f"{number}", attributes=dict([pair])) for number, pair in enumerate(pairs)]
    await store.append(records, until=place(1))

    for number, (name, value) in enumerate(pairs):
        assert await read_bodies(store, Equals(name, value)) == [f"{number}"]


@pytest.mark.parametrize(
    "poison",
    [
        {"body": "half \ud83d"},
        {"record_id": "\udc00"},
        {"service": "\ud83d"},
        {"attributes": {"name \ud83d": "x"}},
        {"attributes": {"x": "\ud83d", "y": ["\ud83d", 1]}},
        {"attributes": {"x": 2**70, "y": -(2**70)}},
        {"attributes": {"x": {"nested": object()}}},
        {"attributes": {"x": float("nan"), "y": float("inf")}},
        {"trace_id": "not hexadecimal"},
        {"severity": -5},
        {"timestamp_us": 2**80},
        {"body": "\x00 nul \x00", "attributes": {"x": "\x00"}},
    ],
)
async def test_keeps_what_no_index_could_take_as_it_is(
    open_store: OpenStore, poison: dict[str, Any]
) -> None:
    store = open_store()
    await store.append([recent("before")], until=place(1))

    kept = await store.append(
        [recent("first"), recent(**{"body": "poison", **poison}), recent("last")], until=place(2)
    )

    assert kept == 3
    assert len(await read_bodies(store)) == 4
    assert await read_bodies(store, Words(("last",))) == ["last"]
    assert store.position() == place(2)
    assert len(await read_bodies(open_store())) == 4


async def test_bounds_the_index_whatever_the_number_of_names(open_store: OpenStore) -> None:
    store = open_store()
    for batch in range(5):
        await store.append(
            [_many_names(batch * 100 + number) for number in range(100)], until=place(batch + 1)
        )

    for _ in range(2):
        # Of a hundred thousand, one of the first and one of the last.
        assert await read_bodies(store, Equals("name.0.0", "v")) == ["0"]
        assert await read_bodies(store, Equals("name.499.199", "v")) == ["499"]
        assert await read_bodies(store, Exists("name.499.199")) == ["499"]
        assert await read_bodies(store, Range("number.499", low=499)) == ["499"]
        store = open_store()
    [partition] = store.partitions()
    assert len(partition.names.names) == MAX_NAMES
    assert partition.names.has_others


def _many_names(number: int) -> LogRecord:
    attributes: dict[str, Any] = {f"name.{number}.{index}": "v" for index in range(200)}
    return recent(f"{number}", attributes={**attributes, f"number.{number}": number})


async def test_keeps_a_body_of_five_megabytes(open_store: OpenStore) -> None:
    store = open_store()
    body = "begin " + "x" * 5_000_000 + " end"
    await store.append([recent(body), recent("small")], until=place(1))
    await store.append([recent("after")], until=place(2))
    store = open_store()

    assert await read_bodies(store, Words(("small",))) == ["small"]
    assert await read_bodies(store, Words(("begin",))) == [body]
    assert len(await read_bodies(store)) == 3


async def test_answers_a_query_of_a_thousand_parts(open_store: OpenStore) -> None:
    store = open_store()
    await store.append([recent("needle")], until=place(1))
    parts: tuple[Node, ...] = tuple(Words(("needle",)) for _ in range(1_000))

    assert await read_bodies(store, And(parts)) == ["needle"]
