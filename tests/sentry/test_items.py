from datetime import UTC, datetime

import orjson
import pytest

from resumatch_monitor.sentry.items import (
    ItemKind,
    ItemRecord,
    RecordError,
    decode_record,
    encode_record,
)

_NOW = datetime(2026, 11, 26, 3, 4, 5, 123_000, tzinfo=UTC)


def test_a_record_is_read_as_it_was_written() -> None:
    record = ItemRecord(
        kind=ItemKind.CHECK_IN,
        project_id=7,
        item_id="a" * 32,
        received_at=_NOW,
        payload=b'{"status":\n"ok"}',
        sent_at=_NOW,
        client_address="192.0.2.7",
        headers={"type": "check_in", "trace": {"trace_id": "1"}},
    )
    assert decode_record(encode_record(record)) == record


def test_events_that_an_earlier_version_left_are_read() -> None:
    header = {"v": 1, "project": 3, "event_id": "b" * 32, "received_ms": 1_000, "sent_ms": None}
    record = decode_record(orjson.dumps(header) + b"\n{}")
    assert record.kind is ItemKind.EVENT
    assert (record.item_id, record.event_id) == ("b" * 32, "b" * 32)
    assert record.payload == b"{}"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]\n{}",
        b"nonsense\n{}",
        b'{"v":9,"project":1,"received_ms":1}\n{}',
        b'{"v":2,"kind":"dream","project":1,"received_ms":1}\n{}',
        b'{"v":2,"kind":"event","received_ms":1}\n{}',
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(RecordError):
        decode_record(data)
