import sys
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resumatch_monitor.sentry.filters import EventFilter
from resumatch_monitor.sentry.glance import EventGlance
from resumatch_monitor.sentry.lenient import parse_json
from resumatch_monitor.sentry.settings import FilterSettings
from tests.support.errors import make_event

_GLANCE = EventGlance()
_FILTER = EventFilter(
    FilterSettings.model_validate(
        {
            "localhost": True,
            "web_crawlers": True,
            "browser_extensions": True,
            "releases": ["shop@1*"],
            "messages": ["*odd*"],
        }
    )
)
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-9, 9),
    st.sampled_from(
        ["", "javascript", "node", "csp", "error", "shop@1.0", "odd", "localhost", "Googlebot/2.1",
         "chrome-extension://abc/x.js", "http://localhost:3000/", "127.0.0.1", "<anonymous>", "é"]
    ),
)  # fmt: skip
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["values", "value", "type", "stacktrace", "frames", "abs_path", "filename", "url",
                 "headers", "User-Agent", "ip_address", "formatted", "message", "csp",
                 "blocked-uri", "other"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=14,
)  # fmt: skip
_EVENTS = st.dictionaries(
    st.sampled_from(
        ["event_id", "type", "platform", "release", "transaction", "user", "request", "message",
         "logentry", "contexts", "exception", "extra", "tags"]
    ),
    _VALUES,
    max_size=7,
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(event=_EVENTS)
def test_the_door_decides_by_a_glance_as_by_the_whole_event(event: dict[str, Any]) -> None:
    payload = orjson.dumps(event)
    whole = parse_json(payload)[0]

    seen, text = _GLANCE.read(payload)

    assert text == payload
    assert bool(seen) == bool(whole)
    assert seen.get("type") == whole.get("type")
    assert seen.get("event_id") == whole.get("event_id")
    for is_transaction in (False, True):
        assert _FILTER.find_reason(seen, is_transaction=is_transaction) == _FILTER.find_reason(
            whole, is_transaction=is_transaction
        )


def test_of_an_ordinary_event_the_frames_variables_are_not_read() -> None:
    seen, _ = _GLANCE.read(orjson.dumps(make_event(1)))

    frames = seen["exception"]["values"][-1]["stacktrace"]["frames"]
    assert frames
    assert all(set(frame) <= {"abs_path", "filename"} for frame in frames)


@pytest.mark.parametrize(
    "payload",
    [b"", b"nonsense", b'{"a":1,}', b'{"a":', b'{"a":nan}', b"\x00", b"[1,", b'{"exception":[}'],
)
def test_what_is_no_json_is_refused(payload: bytes) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        _GLANCE.read(payload)


@pytest.mark.parametrize("payload", [b'{"message":"cut \\ud83d"}', b'{"message":"\xff\xfe"}'])
def test_what_is_no_unicode_is_mended(payload: bytes) -> None:
    seen, text = _GLANCE.read(payload)

    assert "\N{REPLACEMENT CHARACTER}" in seen["message"]
    assert orjson.loads(text) == seen


@pytest.mark.parametrize("key", ["unheard_of", "extra", "message"])
def test_what_is_nested_too_deeply_is_refused_however_deep_python_may_go(key: str) -> None:
    payload = b'{"event_id":"a","%s":' % key.encode() + b'{"a":[' * 700 + b"]}" * 700 + b"}"
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    try:
        with pytest.raises(orjson.JSONDecodeError):
            _GLANCE.read(payload)
    finally:
        sys.setrecursionlimit(limit)
