"""The index and a look at each record give the same answers, whatever is asked."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resumatch_monitor.logs.query.matching import build_predicate
from resumatch_monitor.logs.query.tree import (
    And,
    Equals,
    Everything,
    Exists,
    Node,
    Not,
    Or,
    Range,
    Regex,
    Wildcard,
    Words,
)
from resumatch_monitor.logs.record import LogRecord
from resumatch_monitor.logs.store import LogQuery
from resumatch_monitor.storage.logindex.store import TantivyLogStore
from tests.support.logs import START_US, make_record, place

pytestmark = pytest.mark.anyio

_WORDS = ["timeout", "user", "Straße", "42", "x", "résumé", "日本", "a_b", "req-7"]
_NAMES = ["http.status", "user.id", "score", "tags", "weird name", 'q"uote', "ünï", "a.b.c"]
_VALUES: list[Any] = [
    "404", 404, 404.0, 404.5, -1, 2**62, True, False, "true", "x", "/a/b", "", 0, 1e300,
    ["x", "y"], [1, 2], "l" * 600,
]  # fmt: skip


def _build_record(
    words: list[str],
    offset: int,
    severity: int,
    service: str,
    trace_id: str,
    stack: str,
    attributes: dict[str, Any],
) -> LogRecord:
    return make_record(
        " ".join(words),
        timestamp_us=START_US + offset * 1_000,
        severity=severity,
        service=service,
        trace_id=trace_id,
        attributes={**attributes, **({"error.stack_trace": stack} if stack else {})},
    )


_records = st.lists(
    st.builds(
        _build_record,
        st.lists(st.sampled_from(_WORDS), max_size=5),
        st.integers(-50, 50),
        st.sampled_from([0, 1, 9, 10, 13, 17, 24]),
        st.sampled_from(["", "api", "web", "API"]),
        st.sampled_from(["", "a" * 32, "0123456789abcdef" * 2]),
        st.sampled_from(["", "Traceback user", "boom"]),
        st.dictionaries(st.sampled_from(_NAMES), st.sampled_from(_VALUES), max_size=4),
    ),
    max_size=25,
)
_fields = st.sampled_from([*_NAMES, "service", "severity", "nothing"])
_numbers = st.sampled_from([-1e20, -1e-7, -2, 0, 1, 404, 404.0, 404.5, 2**62, 1e300, 9, 13])
_leaves: st.SearchStrategy[Node] = st.one_of(
    st.just(Everything()),
    st.builds(
        Words,
        st.lists(
            st.sampled_from(["timeout", "user", "strasse", "straße", "42", "日本", "req", "7"]),
            min_size=1,
            max_size=3,
        ).map(tuple),
        st.booleans(),
    ),
    st.builds(
        Equals, _fields, st.sampled_from(["404", "true", "x", "api", "404.5", "info", "l" * 600])
    ),
    st.builds(Equals, st.just("trace_id"), st.sampled_from(["a" * 32, "A" * 32, "zz"])),
    st.builds(
        Wildcard,
        st.sampled_from(["message", "service", "user.id", "score"]),
        st.sampled_from(["t*", "4?4", "*", "a?i", "/a*", "?"]),
    ),
    st.builds(
        Regex,
        st.sampled_from(["message", "user.id", "service"]),
        st.sampled_from(["^t", "4.4", "u"]),
    ),
    st.builds(
        Range,
        _fields,
        st.none() | _numbers,
        st.none() | _numbers,
        st.booleans(),
        st.booleans(),
    ),
    st.builds(Exists, _fields),
)
_nodes = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(records=_records, nodes=st.lists(_nodes, min_size=1, max_size=12))
async def test_finds_what_a_look_at_each_record_finds(
    records: list[LogRecord], nodes: list[Node], open_store: Callable[..., TantivyLogStore]
) -> None:
    # One partition after the other holds all records of the examples before, so each query is
    # compared among the records of this example alone, by their service's environment.
    marker = uuid4().hex
    records = [_mark(record, marker) for record in records]
    store = open_store(partition_rows=60)
    half = len(records) // 2
    for number, part in enumerate((records[:half], records[half:])):
        if part:
            await store.append(part, until=place(number + 1))

    for node in nodes:
        mine = And((Equals("environment", marker), node))
        predicate = build_predicate(node)
        wanted = sorted(_key(record) for record in records if predicate(record))

        page = await store.search(LogQuery(mine), limit=1_000)
        count = await store.count(LogQuery(mine))

        assert sorted(_key(item.record) for item in page.items) == wanted, node
        assert count.total == len(wanted), node


def _mark(record: LogRecord, marker: str) -> LogRecord:
    return make_record(
        record.body,
        timestamp_us=record.timestamp_us,
        severity=record.severity,
        service=record.service,
        trace_id=record.trace_id,
        attributes=record.attributes,
        environment=marker,
    )


def _key(record: LogRecord) -> str:
    return repr(record)
