"""What SDKs send becomes spans: all that can be made sense of, corrected, scrubbed, bounded."""

from datetime import timedelta
from typing import Any, cast

import orjson
import pytest

from resumatch_monitor.sentry.items import ItemKind, RecordError
from resumatch_monitor.tracing.model import Span, SpanKind, SpanStatus
from resumatch_monitor.tracing.reading import SpanReader
from resumatch_monitor.tracing.times import MAX_DURATION_US
from tests.tracing.items import (
    CHILD_ID,
    NOW,
    NOW_S,
    RETENTION,
    ROOT_ID,
    TRACE_ID,
    make_record,
    make_transaction,
    make_v1_span,
    make_v2_item,
    make_v2_span,
    typed,
)

NOW_US = round(NOW_S * 1e6)


def _read_transaction(reader: SpanReader, **fields: Any) -> tuple[Span, ...]:
    return reader.read(make_record(ItemKind.TRANSACTION, make_transaction(**fields))).spans


def _read_v2(reader: SpanReader, *spans: Any) -> tuple[Span, ...]:
    return reader.read(make_record(ItemKind.SPAN, make_v2_item(*spans))).spans


def test_a_transaction_is_its_root_and_its_spans(reader: SpanReader) -> None:
    root, child = _read_transaction(
        reader,
        tags={"color": "blue"},
        user={"id": 7, "email": "a@example.com"},
        measurements={"lcp": {"value": 1.5, "unit": "second"}, "things": {"value": 3}},
        request={"method": "GET", "url": "https://web.test/users/7"},
        contexts={
            "trace": {
                "trace_id": TRACE_ID.upper(),
                "span_id": ROOT_ID,
                "op": "http.server",
                "status": "ok",
                "data": {"http.response.status_code": 200},
            }
        },
    )
    assert (root.name, root.op, root.kind) == ("/users/{id}", "http.server", SpanKind.SERVER)
    assert (root.is_segment, root.segment_id, root.parent_span_id) == (True, ROOT_ID, "")
    assert (root.started_us, root.duration_us) == (NOW_US - 1_000_000, 1_000_000)
    assert (root.service, root.release, root.environment) == ("web", "web@9", "production")
    assert root.attributes["tag.color"] == "blue"
    assert root.attributes["browser.web_vital.lcp.value"] == 1_500
    assert root.attributes["measurement.things"] == 3
    assert root.attributes["http.request.method"] == "GET"
    assert root.status is SpanStatus.OK
    assert (child.parent_span_id, child.segment_id, child.kind) == (
        ROOT_ID,
        ROOT_ID,
        SpanKind.CLIENT,
    )
    assert child.attributes["db.system.name"] == "postgresql"
    assert child.statement == "SELECT * FROM users WHERE id = %s"


def test_streamed_spans_say_to_which_segment_they_belong(reader: SpanReader) -> None:
    child, root = _read_v2(
        reader,
        make_v2_span(CHILD_ID, ROOT_ID, name="SELECT 1", attributes=typed(**{"sentry.op": "db"})),
        make_v2_span(),
    )
    assert (root.name, root.op, root.release) == ("GET /users/{id}", "http.server", "web@9")
    assert root.attributes == {"http.response.status_code": 200}
    assert (child.op, child.segment_id, child.is_segment) == ("db", "", False)
    (other,) = _read_v2(reader, make_v2_span(CHILD_ID, ROOT_ID))
    assert (other.segment_id, other.segment_name) == (ROOT_ID, "GET /users/{id}")


def test_a_single_span_of_a_browser_is_read(reader: SpanReader) -> None:
    span = make_v1_span(
        op="ui.webvital.lcp",
        description="main > img",
        is_segment=True,
        segment_id=CHILD_ID,
        measurements={"lcp": {"value": 812.5, "unit": "millisecond"}},
        data={"release": "web@9", "environment": "production", "transaction": "/"},
    )
    (read,) = reader.read(make_record(ItemKind.SPAN, span)).spans
    assert (read.op, read.release, read.is_segment) == ("ui.webvital.lcp", "web@9", True)
    assert read.attributes["browser.web_vital.lcp.value"] == 812.5


@pytest.mark.parametrize(
    "spoiled",
    [
        {"span_id": None},
        {"span_id": "zz"},
        {"trace_id": "0" * 32},
        {"start_timestamp": "yesterday"},
        {"start_timestamp": None},
        None,
        7,
        [],
    ],
)
def test_one_bad_span_takes_no_other_with_it(reader: SpanReader, spoiled: Any) -> None:
    bad: Any = spoiled
    if isinstance(spoiled, dict):
        bad = make_v2_span(CHILD_ID, ROOT_ID)
        bad.update(cast("dict[str, Any]", spoiled))
    item = reader.read(make_record(ItemKind.SPAN, make_v2_item(bad, make_v2_span())))
    assert [span.span_id for span in item.spans] == [ROOT_ID]
    assert item.refused == {"malformed": 1}


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b"nonsense", b"7"])
def test_what_is_no_item_is_refused_as_a_whole(reader: SpanReader, payload: bytes) -> None:
    with pytest.raises((RecordError, orjson.JSONDecodeError)):
        reader.read(make_record(ItemKind.TRANSACTION, payload))


def test_a_transaction_without_ids_is_counted(reader: SpanReader) -> None:
    item = reader.read(make_record(ItemKind.TRANSACTION, make_transaction(contexts={})))
    assert (item.spans, item.refused) == ((), {"malformed": 1})


@pytest.mark.parametrize(
    "url", ["http://monitor.test:19001/api/42/envelope/", "https://m/prefix/api/1/envelope/?a=b"]
)
def test_what_an_sdk_traced_of_its_own_sending_is_dropped(reader: SpanReader, url: str) -> None:
    root = make_v2_span(name=f"POST {url}")
    child = make_v2_span(CHILD_ID, ROOT_ID, name="socket.connect")
    other = make_v2_span("0000000000000009", name="GET /")
    item = reader.read(make_record(ItemKind.SPAN, make_v2_item(child, root, other)))
    assert [span.name for span in item.spans] == ["GET /"]
    assert item.refused == {"own_envelope": 2}


def test_a_clock_that_is_years_off_is_corrected(reader: SpanReader) -> None:
    off = timedelta(days=3_650)
    root, child = reader.read(
        make_record(
            ItemKind.TRANSACTION,
            make_transaction(
                start_timestamp=(NOW - off).isoformat(),
                timestamp=NOW_S - off.total_seconds() + 1,
                spans=[
                    make_v1_span(
                        start_timestamp=NOW_S - off.total_seconds() + 0.25,
                        timestamp=NOW_S - off.total_seconds() + 0.5,
                    )
                ],
            ),
            sent_at=NOW - off + timedelta(seconds=1),
        )
    ).spans
    assert root.ended_us == NOW_US
    assert child.started_us - root.started_us == 250_000


def test_without_a_clock_to_compare_spans_of_another_decade_end_on_arrival(
    reader: SpanReader,
) -> None:
    (span,) = _read_v2(reader, make_v2_span(start_timestamp=5e8, end_timestamp=5e8 + 2))
    assert (span.started_us, span.duration_us) == (NOW_US - 2_000_000, 2_000_000)


def test_a_single_span_out_of_bounds_does_not_move_the_others(reader: SpanReader) -> None:
    good, wild = _read_v2(
        reader,
        make_v2_span(),
        make_v2_span(CHILD_ID, ROOT_ID, start_timestamp=1e10, end_timestamp=1e10),
    )
    assert good.ended_us == NOW_US
    assert wild.started_us == NOW_US


@pytest.mark.parametrize(
    ("end", "duration"),
    [(NOW_S - 5, 0), (None, 0), ("nonsense", 0), (NOW_S + 1e9, MAX_DURATION_US)],
)
def test_durations_are_neither_negative_nor_endless(
    reader: SpanReader, end: Any, duration: int
) -> None:
    spans = _read_v2(
        reader,
        make_v2_span(end_timestamp=end),
        make_v2_span("0000000000000008", ROOT_ID),
        make_v2_span("0000000000000009", ROOT_ID),
    )
    assert spans[0].duration_us == duration
    earliest = NOW_US - RETENTION // timedelta(microseconds=1) - MAX_DURATION_US
    assert earliest <= spans[0].started_us <= NOW_US


def test_secrets_and_addresses_are_taken_out(reader: SpanReader) -> None:
    (span,) = _read_v2(
        reader,
        make_v2_span(
            name="send to bob@example.com",
            attributes=typed(
                **{
                    "user.id": "7",
                    "user.email": "bob@example.com",
                    "client.address": "203.0.113.9",
                    "http.request.header.cookie": "a=b",
                    "tenant_secret": "x",
                    "note": "Bearer abcdefghijkl",
                    "text": "word " * 60,
                }
            ),
        ),
    )
    text = repr(span)
    for secret in ("bob@example.com", "203.0.113.9", "a=b", "abcdefghijkl", "word word"):
        assert secret not in text
    assert span.attributes["tenant_secret"] == "[Filtered]"
    assert span.attributes["user.id"] == "7"


def test_values_go_out_of_statements_and_the_statement_stays(reader: SpanReader) -> None:
    columns = ", ".join(f"column_{number}" for number in range(40))
    statement = f"SELECT {columns} FROM users WHERE name = 'Ada L''ovelace' AND n = 3"
    (span,) = _read_v2(
        reader,
        make_v2_span(name=statement, attributes=typed(**{"sentry.op": "db"})),
    )
    assert span.name == f"SELECT {columns} FROM users WHERE name = ? AND n = 3"


def test_attributes_are_bounded(reader: SpanReader) -> None:
    many = {f"key.{number}": "x" * 1_000 for number in range(100)}
    (span,) = _read_v2(
        reader,
        make_v2_span(attributes={**typed(**many), "nested": {"value": {"a": [1, {"b": 2}]}}}),
    )
    assert len(span.attributes) <= 40
    assert max(len(value) for value in span.attributes.values()) <= 301


def test_odd_values_become_text(reader: SpanReader) -> None:
    (span,) = _read_v2(
        reader, make_v2_span(attributes=typed(a={"b": [1]}, c=None, d=[1, "x"], e=2**63, f=True))
    )
    assert span.attributes == {"a": '{"b":[1]}', "d": [1, "x"], "e": str(2**63), "f": True}


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        ("ok", 500, SpanStatus.OK),
        ("internal_error", None, SpanStatus.ERROR),
        ("not_found", 404, SpanStatus.UNSET),
        ("cancelled", None, SpanStatus.UNSET),
        (None, 503, SpanStatus.ERROR),
        (None, "503", SpanStatus.ERROR),
        (None, 404, SpanStatus.UNSET),
        (None, None, SpanStatus.UNSET),
    ],
)
def test_a_status_is_an_error_if_the_server_failed(
    reader: SpanReader, status: str | None, code: Any, expected: SpanStatus
) -> None:
    trace = {
        "trace_id": TRACE_ID,
        "span_id": ROOT_ID,
        "status": status,
        "data": {"http.response.status_code": code},
    }
    (root,) = _read_transaction(reader, contexts={"trace": trace}, spans=[])
    assert root.status is expected


def test_a_span_that_is_its_own_parent_has_none(reader: SpanReader) -> None:
    (span,) = _read_v2(reader, make_v2_span(ROOT_ID, ROOT_ID))
    assert span.parent_span_id == ""
