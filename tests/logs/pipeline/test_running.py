"""Records on their way through pipelines."""

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from resumatch_monitor.logs.pipeline.config import PipelineConfig
from resumatch_monitor.logs.pipeline.draft import Increment, Order
from resumatch_monitor.logs.pipeline.parsing import Surroundings
from resumatch_monitor.logs.pipeline.running import (
    PIPELINE_ERROR,
    PipelineProcessor,
    build_pipelines,
)
from resumatch_monitor.logs.record import LogRecord
from tests.support.logs import START_US, make_record


def build(*configs: dict[str, Any], orders: list[Order] | None = None) -> PipelineProcessor:
    """Return what sends records through the pipelines of a configuration."""
    read = [
        PipelineConfig.model_validate({"name": f"p{number}", **config})
        for number, config in enumerate(configs)
    ]
    kept = orders if orders is not None else []
    return PipelineProcessor(build_pipelines(read, Surroundings()), on_orders=kept.extend)


def test_a_record_goes_through_each_pipeline_that_it_fits_as_the_one_before_left_it() -> None:
    processor = build(
        {"when": "service:api", "steps": [{"type": "set", "fields": {"service": "shop"}}]},
        {"when": "service:api", "steps": [{"type": "drop"}]},
        {"when": "service:shop", "steps": [{"type": "set", "fields": {"seen": True}}]},
    )
    processed = processor.process(make_record())
    assert processed is not None
    assert (processed.service, processed.attributes) == ("shop", {"seen": True})


def test_a_record_that_no_pipeline_fits_stays_the_same() -> None:
    record = make_record()
    processor = build({"when": "service:web", "steps": [{"type": "drop"}]})
    assert processor.process(record) is record


def test_a_failure_keeps_the_record_with_the_reason() -> None:
    processor = build(
        {"steps": [{"type": "set", "fields": {"a": 1}}, {"type": "json"}, {"type": "drop"}]},
        {"steps": [{"type": "logfmt"}]},
    )
    processed = processor.process(make_record("plain"))
    assert processed is not None
    assert processed.body == "plain"
    assert processed.attributes == {
        "a": 1,
        PIPELINE_ERROR: [
            "p0: step 2 (json): message is not JSON",
            "p1: step 1 (logfmt): message has no key=value",
        ],
    }


def test_reasons_are_bounded() -> None:
    field = "f" * 200
    step = {"type": "json", "field": field, "ignore_failure": False}
    processed = build(*[{"steps": [step]}] * 30).process(make_record())
    assert processed is not None
    errors = processed.attributes[PIPELINE_ERROR]
    assert (len(errors), max(map(len, errors)) < 600) == (10, True)


def test_what_was_ordered_before_a_record_is_dropped_is_carried_out() -> None:
    orders: list[Order] = []
    processor = build(
        {"steps": [{"type": "count", "metric": "debug_total"}, {"type": "drop"}]}, orders=orders
    )
    assert processor.process(make_record()) is None
    assert orders == [Increment("debug_total", {}, 1.0)]


_TEXT = st.text(max_size=60)
_LINES = st.one_of(
    _TEXT,
    st.sampled_from(["{", '{"a":', '{"message": {"a": [[{}]]}}', "[1]", 'a="', "a=b =", "\ud800"]),
    st.dictionaries(_TEXT, _TEXT, max_size=4).map(lambda pairs: str(pairs).replace("'", '"')),
)
_VALUES = st.one_of(
    _TEXT,
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.booleans(),
    st.lists(st.one_of(_TEXT, st.integers())),
)
_RECORDS = st.builds(
    LogRecord,
    timestamp_us=st.integers(0, 2**55),
    observed_us=st.just(START_US),
    severity=st.integers(0, 24),
    severity_text=_TEXT,
    body=_LINES,
    service=_TEXT,
    trace_id=st.sampled_from(["", "ab" * 16]),
    attributes=st.dictionaries(
        st.one_of(_TEXT, st.sampled_from(["t", "level", "error.stack_trace", "n"])),
        _VALUES,
        max_size=5,
    ),
)
_FIELDS = st.sampled_from(
    ["message", "t", "n", "level", "service", "trace_id", "error.stack_trace"]
)
_PATTERNS = st.sampled_from([r"(?P<t>\w+)", r"(?P<n>.)*", r"(?P<level>a|)"])


def _step(kind: str, **keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"type": st.just(kind), **keys})


_FORMATS = ["iso8601", "unix", "unix_ns", "%H", "%d %b"]
_STEPS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    _step("json", field=_FIELDS, prefix=_TEXT),
    _step("logfmt", field=_FIELDS, prefix=_TEXT),
    _step("combined", field=_FIELDS),
    _step("regex", field=_FIELDS, pattern=_PATTERNS),
    _step("grok", field=_FIELDS, pattern=st.just("%{DATA:t}%{NUMBER:n:int}")),
    _step("timestamp", field=_FIELDS, formats=st.just(_FORMATS)),
    _step("severity", field=_FIELDS, mapping=st.just({"*": "info"})),
    _step("rename", fields=st.dictionaries(_FIELDS, _FIELDS, min_size=1, max_size=3)),
    _step("set", fields=st.dictionaries(st.just("t"), _TEXT, min_size=1)),
    _step("remove", fields=st.lists(_FIELDS, min_size=1, max_size=3)),
    _step("sample", rate=st.floats(0, 1)),
    _step("redact", pattern=_PATTERNS),
    _step("user_agent", field=_FIELDS),
    _step("count", metric=st.just("x_total"), labels=st.just({"l": "t"}), value=_FIELDS),
    _step("event", project=st.just("p")),
    _step("drop", when=st.just("level:fatal")),
)


@settings(max_examples=150)
@given(record=_RECORDS, steps=st.lists(_STEPS, min_size=1, max_size=5))
def test_no_pipeline_raises_on_any_record(record: LogRecord, steps: list[dict[str, Any]]) -> None:
    processed = build({"steps": steps}).process(record)
    assert processed is None or isinstance(processed, LogRecord)
    if processed is not None:
        errors = processed.attributes.get(PIPELINE_ERROR, "")
        assert "failed with" not in str(errors), errors
        if _can_be_stored(record):
            assert _can_be_stored(processed)


def _can_be_stored(record: LogRecord) -> bool:
    try:
        orjson.dumps([record.body, record.attributes])
    except TypeError:
        return False
    return True


def test_a_number_that_is_too_large_for_a_record_stays_a_text() -> None:
    grok = {"type": "grok", "pattern": "%{INT:n:int} %{INT:small:int}"}
    processed = build({"steps": [grok]}).process(make_record(f"{2**63} {-(2**63)}"))
    assert processed is not None
    assert processed.attributes == {"n": str(2**63), "small": -(2**63)}
