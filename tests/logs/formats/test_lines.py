"""What is found in lines."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.logs.chunk import LogChunk
from resumatch_monitor.logs.document import Defaults
from resumatch_monitor.logs.formats.guessing import find_level, find_time
from resumatch_monitor.logs.formats.lines import (
    LINES,
    encode_line,
    parse_fields,
    read_lines,
    read_text,
)
from resumatch_monitor.logs.formats.logfmt import parse_logfmt
from resumatch_monitor.logs.record import STACK_TRACE

NOW = datetime(2026, 11, 26, 8, tzinfo=UTC)
DEFAULTS = Defaults(observed_at=NOW, source="file", service="api")


@pytest.mark.parametrize(
    ("line", "time"),
    [
        ("2026-11-26T07:00:01Z started", "2026-11-26T07:00:01+00:00"),
        ("2026-11-26 07:00:01,123 INFO x", "2026-11-26T07:00:01.123000+00:00"),
        ("[2026-11-26 08:00:01.5 +0100] [7] [INFO] x", "2026-11-26T07:00:01.500000+00:00"),
        ("ERROR 2026-11-26 07:00:01 x", "2026-11-26T07:00:01+00:00"),
        ("2026/11/26 07:00:01 [error] 7#7: x", "2026-11-26T07:00:01+00:00"),
        ('1.2.3.4 - - [26/Nov/2026:08:00:01 +0100] "GET / HTTP/1.1" 200 1',
         "2026-11-26T07:00:01+00:00"),
        ("2026-13-26 07:00:01 x", None),
        ("valid until 2026-12-01 00:00:00", None),
        ("", None),
    ],
)  # fmt: skip
def test_the_time_is_where_it_usually_is(line: str, time: str | None) -> None:
    found = find_time(line)

    assert (found and found.isoformat()) == time


def test_a_time_without_a_zone_is_of_the_zone_that_was_named() -> None:
    found = find_time("2026-11-26 08:00:01 x", ZoneInfo("Europe/Berlin"))

    assert found == datetime(2026, 11, 26, 7, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("[ERROR] x", "ERROR"),
        ("2026-11-26 07:00:01 [error] 7#7: x", "error"),
        ("level=warn msg=x", "warn"),
        ('{"level":"debug"', "debug"),
        ("2026-11-26 07:00:01 UTC [7] LOG:  checkpoint", "LOG"),
        ("2026-11-26 07:00:01 INFO no ERROR here", "INFO"),
        ("WARNING:root:x", "WARNING"),
        ("error: x", "error"),
        ("[main] x", ""),
        ("GET / HTTP/1.1", ""),
        ("an information about errors", ""),
    ],
)
def test_the_level_is_guessed_from_the_usual_places(line: str, level: str) -> None:
    assert find_level(line) == level


@pytest.mark.parametrize(
    ("line", "pairs"),
    [
        ('level=info msg="a \\"b\\" c" n=1', {"level": "info", "msg": 'a "b" c', "n": "1"}),
        ("time=1 level=", {"time": "1", "level": ""}),
        ("a=1 b=2", None),
        ("level=info and a sentence", None),
        ('level=info msg="open', None),
        ("msg=x", None),
    ],
)
def test_logfmt_is_told_from_sentences(line: str, pairs: dict[str, str] | None) -> None:
    assert parse_logfmt(line) == pairs


def test_a_trace_is_set_apart() -> None:
    record = read_text("INFO odd\nTraceback (most recent call last):\n  x\nE: no", DEFAULTS)

    assert (record.body, record.severity, record.service) == ("INFO odd", 17, "api")
    assert record.stack_trace.startswith("Traceback")


def test_a_trace_of_its_own_is_called_by_what_was_raised() -> None:
    record = read_text("Traceback (most recent call last):\n  x\nE: no", DEFAULTS)

    assert (record.body, record.severity) == ("E: no", 17)
    assert record.attributes[STACK_TRACE].startswith("Traceback")


def test_other_lines_stay_with_the_first() -> None:
    assert read_text("a\n  b", DEFAULTS).body == "a\n  b"


@pytest.mark.parametrize("text", ["{", "{]", "[1]", "x", '"x"', "{" * 3000])
def test_what_is_no_object_is_text(text: str) -> None:
    assert parse_fields(text) is None


@given(
    st.lists(
        st.one_of(
            st.text(alphabet="a\u00e9\0 \t\"\\", max_size=8),
            st.sampled_from(
                ["2026-11-26 07:00:00", "9999-12-31T23:59:59-2359 ", "0001-01-01 00:00:00 ", "{",
                 '"level":', "1e999", "[", "}", "level=", 'msg="', "\n  at ", "\nTraceback (", ": ",
                 "[26/Nov/2026:08:00:01 +9999]", '{"time": "x", "level": 60, "trace_id": 5}'],
            ),
        ),
        max_size=10,
    ).map("".join),
    st.sampled_from(["auto", "text"]),
)  # fmt: skip
def test_any_text_is_some_record(text: str, kind: str) -> None:
    chunk = LogChunk(LINES, NOW, encode_line("id", text), hints={"path": "/a", "format": kind})

    (record,) = read_lines(chunk, DEFAULTS)

    assert (record.record_id, record.attributes["log.file.path"]) == ("id", "/a")
