"""What each step makes of a record."""

from typing import Any

import pytest

from resumatch_monitor.logs.pipeline.config import PipelineConfig
from resumatch_monitor.logs.pipeline.draft import Draft, EventOrder, Increment
from resumatch_monitor.logs.pipeline.parsing import Surroundings
from resumatch_monitor.logs.pipeline.running import Pipeline
from resumatch_monitor.logs.query.matching import field_values
from resumatch_monitor.logs.record import LogRecord
from tests.support.logs import START_US, make_record

_ACCESS = (
    '203.0.113.9 - ada [05/Jan/2026:11:59:58 +0000] "GET /jobs?page=2 HTTP/1.1" 502 157'
    ' "https://resumatch.example/" "Mozilla/5.0 (X11)"'
)


def run(record: LogRecord, *steps: dict[str, Any]) -> tuple[Draft, str]:
    """Send a record through steps; return what became of it and the reason for an early end."""
    config = PipelineConfig.model_validate({"name": "p", "steps": steps})
    surroundings = Surroundings(read_user_agent=lambda text: {"user_agent.name": text[:7]})
    draft = Draft(record)
    return draft, Pipeline(config, surroundings).run(draft)


@pytest.mark.parametrize(
    ("step", "record", "expected"),
    [
        (
            {"type": "json"},
            make_record('{"msg": "paid", "level": "warn", "user": {"id": 7}, "service": "shop"}'),
            {"message": "paid", "severity": 13, "service": "shop", "user.id": 7},
        ),
        (
            {"type": "json", "field": "payload", "prefix": "p."},
            make_record("x", attributes={"payload": '{"a": {"b": [1, 2]}}'}),
            {"message": "x", "p.a.b": [1, 2]},
        ),
        (
            {"type": "json"},
            make_record('{"time": "2026-01-05T11:00:00.25Z"}'),
            {"timestamp_us": START_US - 3_600_000_000 + 250_000},
        ),
        (
            {"type": "logfmt"},
            make_record(r'level=error msg="disk \"a\" full" free=0 odd path=/x'),
            {"message": 'disk "a" full', "severity": 17, "free": "0", "path": "/x"},
        ),
        (
            {"type": "combined"},
            make_record(_ACCESS, severity=0, severity_text=""),
            {
                "source.address": "203.0.113.9",
                "user.name": "ada",
                "http.request.method": "GET",
                "url.original": "/jobs?page=2",
                "http.version": "1.1",
                "http.response.status_code": 502,
                "http.response.body.bytes": 157,
                "http.request.referrer": "https://resumatch.example/",
                "user_agent.original": "Mozilla/5.0 (X11)",
                "severity": 17,
                "timestamp_us": START_US - 2_000_000,
            },
        ),
        (
            {"type": "combined"},
            make_record('::1 - - [05/Jan/2026:11:59:58 +0000] "\\x16\\x03" 400 -'),
            {"source.address": "::1", "http.response.status_code": 400, "severity": 9},
        ),
        (
            {"type": "regex", "pattern": r"(?P<method>[A-Z]+) (?P<path>\S+)(?: (?P<no>x))?"},
            make_record("GET /jobs"),
            {"method": "GET", "path": "/jobs", "no": None},
        ),
        (
            {"type": "grok", "pattern": "%{IP:client.ip} took %{NUMBER:took:float} %{INT:n:int}"},
            make_record("so 192.0.2.7 took 1.5 -3"),
            {"client.ip": "192.0.2.7", "took": 1.5, "n": -3},
        ),
        (
            {"type": "grok", "pattern": "%{ID:[order][id]}", "patterns": {"ID": "o-%{INT}"}},
            make_record("order o-17 paid"),
            {"order.id": "o-17"},
        ),
        (
            {"type": "timestamp", "field": "at"},
            make_record(attributes={"at": "2026-01-05T11:59:00Z"}),
            {"timestamp_us": START_US - 60_000_000, "at": None},
        ),
        (
            {"type": "timestamp", "field": "at", "zone": "Europe/Berlin", "remove": False},
            make_record(attributes={"at": "2026-01-05 12:59:00"}),
            {"timestamp_us": START_US - 60_000_000, "at": "2026-01-05 12:59:00"},
        ),
        (
            {"type": "timestamp", "field": "at", "formats": ["unix", "unix_ms"]},
            make_record(attributes={"at": START_US / 1e6 - 1.5}),
            {"timestamp_us": START_US - 1_500_000},
        ),
        (
            {"type": "timestamp", "field": "at", "formats": ["unix_ns"]},
            make_record(attributes={"at": str((START_US - 7) * 1_000)}),
            {"timestamp_us": START_US - 7},
        ),
        (
            {"type": "timestamp", "field": "at", "formats": ["iso8601", "%b %d %H:%M:%S"]},
            make_record(attributes={"at": "Dec 31 12:00:00"}),
            {"timestamp_us": START_US - 5 * 86_400_000_000},
        ),
        (
            {"type": "timestamp", "field": "at"},
            make_record(attributes={"at": "2099-01-01T00:00:00Z"}),
            {"timestamp_us": START_US, "event.original_time": "2099-01-01T00:00:00+00:00"},
        ),
        (
            {"type": "severity", "field": "code", "mapping": {"5*": "error", "*": "info"}},
            make_record(attributes={"code": 503}),
            {"severity": 17, "severity_text": "error"},
        ),
        (
            {"type": "severity", "field": "lvl", "mapping": {"E": "error"}},
            make_record(attributes={"lvl": "WARN"}),
            {"severity": 13, "severity_text": "WARN"},
        ),
        (
            {"type": "rename", "fields": {"app": "service.name", "gone": "x"}},
            make_record(attributes={"app": "shop"}),
            {"service": "shop", "app": None, "x": None},
        ),
        (
            {"type": "set", "fields": {"env": "staging", "team": "a", "n": 3, "ok": True}},
            make_record(),
            {"environment": "staging", "team": "a", "n": 3, "ok": True},
        ),
        (
            {"type": "remove", "fields": ["level", "host", "a", "b"]},
            make_record(host="h", attributes={"a": 1}),
            {"severity": 0, "severity_text": "", "host": "", "a": None},
        ),
        (
            {"type": "redact", "pattern": "c-[0-9]+", "replacement": "c-?"},
            make_record("c-1 and c-22", attributes={"a": "c-3", "n": 4}),
            {"message": "c-? and c-?", "a": "c-?", "n": 4},
        ),
        (
            {"type": "redact", "pattern": "c-[0-9]+", "replacement": "c-?"},
            make_record("c-1", attributes={"tags": ["c-3", "b"], "ns": [1, 2]}),
            {"message": "c-?", "tags": ["c-?", "b"], "ns": [1, 2]},
        ),
        (
            {"type": "redact", "pattern": "[0-9]", "replacement": "#"},
            make_record("a" + "1" * 100_000 + "b"),
            {"message": "a" + "#" * 10_000},
        ),
        (
            {"type": "redact", "pattern": "x", "fields": ["tags"]},
            make_record("x", attributes={"tags": ["ax", "b"]}),
            {"message": "x", "tags": ["a[Filtered]", "b"]},
        ),
        (
            {"type": "user_agent"},
            make_record(attributes={"user_agent.original": "Firefox/1"}),
            {"user_agent.name": "Firefox"},
        ),
        (
            {"type": "set", "when": "service:web", "fields": {"a": 1}},
            make_record(),
            {"a": None},
        ),
    ],
)
def test_a_step_changes_what_it_says(
    step: dict[str, Any], record: LogRecord, expected: dict[str, Any]
) -> None:
    draft, reason = run(record, step)
    assert (reason, draft.is_dropped) == ("", False)
    for name, value in expected.items():
        found = _look(draft.record, name)
        assert found == value, (name, found)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ({"type": "json"}, "message is not JSON"),
        ({"type": "json", "field": "list"}, "list is a list"),
        ({"type": "json", "field": "none"}, "there is no none"),
        ({"type": "json", "field": "number"}, "number is no JSON object"),
        ({"type": "logfmt"}, "message has no key=value"),
        ({"type": "combined"}, "message is no line of an access log"),
        ({"type": "regex", "pattern": "(?P<a>zzz)"}, "message does not match"),
        ({"type": "grok", "pattern": "%{IP:a}"}, "message does not match"),
        ({"type": "timestamp", "field": "number"}, "number is no time of the formats that"),
        ({"type": "severity", "field": "number"}, "number is no level that is known"),
        ({"type": "rename", "fields": {"number": "trace_id"}}, "'7' is no trace_id"),
        ({"type": "rename", "fields": {"list": "service"}}, "service cannot be a list"),
        ({"type": "count", "metric": "x_total", "value": "message"}, "message is no number"),
    ],
)
def test_a_step_that_fails_says_why_and_changes_nothing(step: dict[str, Any], reason: str) -> None:
    record = make_record("request finished", attributes={"list": [1], "number": 7})
    draft, found = run(record, step, {"type": "set", "fields": {"after": 1}})
    assert found.startswith(f"p: step 1 ({step['type']}): {reason}"), found
    assert draft.record == record


def test_a_failure_may_be_passed_over() -> None:
    draft, reason = run(
        make_record("no json"),
        {"type": "json", "ignore_failure": True},
        {"type": "set", "fields": {"after": 1}},
    )
    assert (reason, draft.record.attributes) == ("", {"after": 1})


def test_nothing_is_done_after_a_record_is_dropped() -> None:
    draft, reason = run(make_record(), {"type": "drop"}, {"type": "count", "metric": "after_total"})
    assert (draft.is_dropped, draft.orders, reason) == (True, [], "")


def test_a_sample_keeps_all_of_a_trace_or_none() -> None:
    step = {"type": "sample", "rate": 0.3}
    kept = 0
    for number in range(400):
        trace = [
            run(make_record(f"line {line}", trace_id=f"{number:032x}"), step)[0]
            for line in range(2)
        ]
        assert trace[0].is_dropped == trace[1].is_dropped
        kept += not trace[0].is_dropped
        if not trace[0].is_dropped:
            assert trace[0].record.attributes["log.sample_rate"] == 0.3
    assert 80 < kept < 160
    assert run(make_record(), {"type": "sample", "rate": 1})[0].is_dropped is False
    assert run(make_record(), {"type": "sample", "rate": 0})[0].is_dropped is True


def test_records_are_counted_and_values_added_up() -> None:
    record = make_record(attributes={"bytes": "12", "path": "/" * 500, "many": [1]})
    draft, _ = run(
        record,
        {
            "type": "count",
            "metric": "lines_total",
            "labels": {"service": "service.name", "m": "many"},
        },
        {"type": "count", "metric": "bytes_total", "labels": {"path": "path"}, "value": "bytes"},
    )
    assert draft.orders == [
        Increment("lines_total", {"service": "api"}, 1.0),
        Increment("bytes_total", {"path": "/" * 200}, 12.0),
    ]


_PYTHON = """Traceback (most recent call last):
  File "/app/pay.py", line 12, in pay
    charge(order)
  File "/lib/python3.12/site-packages/stripe/api.py", line 90, in charge
    raise CardError("declined")
stripe.error.CardError: declined: no funds
"""
_JAVASCRIPT = """TypeError: x is undefined
    at render (/app/src/page.js:10:5)
    at async main (/app/src/main.js:3:1)
"""
_JAVA = """java.lang.IllegalStateException: closed
\tat com.acme.Pool.take(Pool.java:41)
\tat com.acme.Main.main(Main.java:7)
"""


@pytest.mark.parametrize(
    ("stack", "platform", "kind", "value", "frames"),
    [
        (_PYTHON, "python", "stripe.error.CardError", "declined: no funds",
         [("/app/pay.py", "pay", 12, True),
          ("/lib/python3.12/site-packages/stripe/api.py", "charge", 90, False)]),
        (_JAVASCRIPT, "javascript", "TypeError", "x is undefined",
         [("/app/src/main.js", "main", 3, True), ("/app/src/page.js", "render", 10, True)]),
        (_JAVA, "java", "java.lang.IllegalStateException", "closed",
         [("Main.java", "main", 7, True), ("Pool.java", "take", 41, True)]),
        ("what is this", "other", "Error", "payment failed", []),
    ],
)  # fmt: skip
def test_an_event_is_made_of_a_stack_trace(
    stack: str, platform: str, kind: str, value: str, frames: list[tuple[str, str, int, bool]]
) -> None:
    record = make_record(
        "payment failed", severity=17, trace_id="ab" * 16, release="1.2", host="web-1",
        attributes={"error.stack_trace": stack, "order": 5},
    )  # fmt: skip
    (order,) = run(record, {"type": "event", "project": "shop"})[0].orders
    (again,) = run(record, {"type": "event", "project": "shop"})[0].orders
    assert isinstance(order, EventOrder)
    assert (order.project, order) == ("shop", again)
    event = order.event
    (exception,) = event["exception"]["values"]
    found = exception.get("stacktrace", {"frames": []})["frames"]
    assert (event["platform"], exception["type"], exception["value"]) == (platform, kind, value)
    assert [
        (each["filename"], each["function"], each["lineno"], each["in_app"]) for each in found
    ] == frames
    assert (event["level"], event["release"], event["server_name"]) == ("error", "1.2", "web-1")
    assert event["extra"] == {"order": 5}
    assert event["contexts"]["trace"] == {"trace_id": "ab" * 16}


def test_a_record_without_a_stack_trace_is_an_event_with_a_message() -> None:
    (order,) = run(make_record("disk full"), {"type": "event", "project": "shop"})[0].orders
    assert isinstance(order, EventOrder)
    assert "exception" not in order.event
    assert order.event["logentry"] == {"formatted": "disk full"}


def _look(record: LogRecord, name: str) -> Any:
    if name in ("timestamp_us", "severity", "severity_text"):
        return getattr(record, name)
    if name in record.attributes:
        return record.attributes[name]
    values = field_values(record, name)
    return values[0] if values else None if name != "host" else ""
