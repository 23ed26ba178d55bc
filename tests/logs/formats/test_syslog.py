"""What becomes of syslog messages."""

from datetime import UTC, datetime
from typing import Any

import pytest

from resumatch_monitor.logs.chunk import LogChunk
from resumatch_monitor.logs.document import Defaults
from resumatch_monitor.logs.formats.syslog import SYSLOG, encode_message, read_messages
from resumatch_monitor.logs.record import LogRecord

NOW = datetime(2026, 11, 26, 8, tzinfo=UTC)
HEAD = "1 2026-11-26T07:59:00Z web-1 shop 7 - -"
SAID_US = 1_795_679_940_000_000


def read(message: str, service: str = "", **hints: Any) -> LogRecord:
    chunk = LogChunk(SYSLOG, NOW, encode_message(message), hints=hints)
    (record,) = read_messages(chunk, Defaults(NOW, "syslog", service=service))
    return record


def test_the_head_becomes_fields_and_attributes() -> None:
    record = read('<165>1 2026-11-26T07:59:00Z web-1 shop 7 ID [ex@1 a="1"][timeQuality t="0"] hi')

    assert (record.body, record.service, record.host) == ("hi", "shop", "web-1")
    assert (record.severity, record.severity_text, record.timestamp_us) == (10, "notice", SAID_US)
    assert record.attributes == {
        "log.syslog.facility.name": "local4",
        "log.syslog.appname": "shop",
        "log.syslog.procid": "7",
        "log.syslog.msgid": "ID",
        "log.syslog.structured_data.ex@1.a": "1",
    }


def test_a_json_object_is_read_and_its_level_and_time_count() -> None:
    record = read(
        f'<14>{HEAD} {{"level": "error", "message": "no", "time": "2026-11-26T07:58:00Z", "n": 1}}'
    )

    assert (record.body, record.severity, record.attributes["n"]) == ("no", 17, 1)
    assert record.timestamp_us == SAID_US - 60_000_000


def test_logfmt_is_read() -> None:
    record = read(f'<14>{HEAD} level=warn msg="slow query" seconds=2')

    assert (record.body, record.severity) == ("slow query", 13)
    assert record.attributes["seconds"] == "2"


@pytest.mark.parametrize(
    ("priority", "text", "severity"),
    [(14, "[ERROR] no", 17), (14, "fine", 9), (11, "INFO really", 17), (0, "x", 21)],
)
def test_a_guess_counts_only_against_what_is_sent_without_thought(
    priority: int, text: str, severity: int
) -> None:
    assert read(f"<{priority}>{HEAD} {text}").severity == severity


def test_the_service_may_be_the_host_or_the_senders() -> None:
    assert read(f"<14>{HEAD} x", service_from="hostname").service == "web-1"
    assert read(f"<14>{HEAD} x", service="mine").service == "mine"


def test_a_time_that_cannot_be_is_kept_beside() -> None:
    record = read("<14>1 2036-01-01T00:00:00Z web-1 shop - - - x")

    assert record.timestamp_us == record.observed_us
    assert record.attributes["event.original_time"].startswith("2036-01-01")
