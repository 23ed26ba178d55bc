"""What is passed over because it is harmless is exactly what a look at everything leaves alone."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resumatch_monitor.sentry.part_memory import CleanedPart, PartMemory
from resumatch_monitor.sentry.patterns import PATTERNS, PatternFinder
from resumatch_monitor.sentry.scrub import Scrubber

_QUICK, _THOROUGH = Scrubber(["pet_name"]), Scrubber(["pet_name"], is_thorough=True)
_FINDER = PatternFinder(PATTERNS)

_BITS = st.sampled_from(
    [
        "alice@example.org", "@router.get", "app@1.0", "@", "Bearer abcdefgh", "bearer\tabcdefgh",
        "Basic\u00a0dXNlcjpw", "eyJabcdefgh.ijklmnop.q", "eyJ", "ghp_" + "a1" * 12, "tokens",
        "AKIA" + "A1" * 8, "sk-" + "x" * 24, "xoxb-1234567890ab", "sk_live_0123456789ab",
        "glpat-" + "a" * 20, "postgres://me:pw@db/x", "redis://:p\"w@h", "password=hunter2",
        "http://example.org/a?b=c:d", "password\n= 'x'", '"token": "abc"', "api_key:\u2003q",
        "session_id=1", "PRIVATE KEY", "-----BEGIN RSA PRIVATE KEY-----\nabc",
        "[parameters: ('a',)]", "DETAIL:  Key (email)=(a)", "Failing row contains (1, 2)",
        "4111 1111 1111 1111", "4111-1111", "4111111111111111", "5500005555555559 ", "\\", '"',
        "'", "\x00", "\u212a", "\u017f", "é", "\U0001f600", " ", "=", ":", "word ", "x" * 60,
        "the quick brown fox jumps over it " * 6, "l" * 320,
    ]
)  # fmt: skip
_TEXTS = st.lists(_BITS, max_size=5).map("".join)
_NAMES = st.one_of(
    st.sampled_from(
        ["name", "value", "n", "password", "api_key", "apiKey", "session", "frames", "vars", "data",
         "pre_context", "post_context", "context_line", "filename", "lineno", "in_app", "pet_name",
         "resume_id", "ip_address", "cookies", "headers", "query_string", "url", "id", "email"]
    ),
    _TEXTS,
)  # fmt: skip
_LEAVES = st.one_of(
    _TEXTS,
    st.none(),
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.sampled_from([4111111111111111, 5500005555555559, 1.5, ""]),
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(_NAMES, inner, max_size=5)
    ),
    max_leaves=12,
)
_FRAMES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "function": _LEAVES,
        "context_line": _LEAVES,
        "pre_context": st.one_of(st.lists(_TEXTS, max_size=22), _VALUES),
        "post_context": st.lists(_LEAVES, max_size=3),
        "vars": st.one_of(st.dictionaries(_NAMES, _VALUES, max_size=4), _VALUES),
        "data": _VALUES,
        "lineno": _LEAVES,
    },
)
_EVENTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "message": _LEAVES,
        "extra": _VALUES,
        "contexts": st.dictionaries(_NAMES, _VALUES, max_size=3),
        "tags": st.dictionaries(_NAMES, _LEAVES, max_size=3),
        "user": st.dictionaries(_NAMES, _LEAVES, max_size=4),
        "request": st.dictionaries(_NAMES, _VALUES, max_size=4),
        "breadcrumbs": st.lists(st.dictionaries(_NAMES, _VALUES, max_size=3), max_size=4),
        "exception": st.lists(
            st.fixed_dictionaries(
                {
                    "value": _LEAVES,
                    "stacktrace": st.fixed_dictionaries({"frames": st.lists(_FRAMES, max_size=4)}),
                }
            ),
            max_size=2,
        ),
        "odd": _VALUES,
    },
)


@settings(max_examples=400, deadline=None)
@given(event=_EVENTS)
def test_a_quick_look_and_a_thorough_one_agree(event: dict[str, Any]) -> None:
    event = orjson.loads(orjson.dumps(event))
    thorough = _THOROUGH.clean(event)

    assert _QUICK.clean(event) == thorough
    # What is remembered of the first time is the same the second time, wherever it stands.
    assert _QUICK.clean(event) == thorough
    moved = {**event, "odd": 1, "exception": [{"value": "x"}, *event.get("exception", [])]}
    assert _QUICK.clean(moved) == _THOROUGH.clean(moved)


def make_frame_event(line: str, *, before: int = 0) -> dict[str, Any]:
    """Return an event one of whose frames has `line`, below `before` others."""
    frames = [{"function": "outer"}] * before + [{"context_line": line, "vars": {"n": [line]}}]
    return {"exception": {"values": [{"stacktrace": {"frames": frames}}]}}


def test_a_part_that_comes_again_is_told_where_it_stands_now() -> None:
    scrubber = Scrubber()

    for before in (0, 2):
        cleaned = scrubber.clean(make_frame_event("me@example.org", before=before))
        frame = cleaned.event["exception"]["values"][0]["stacktrace"]["frames"][before]
        assert frame == {"context_line": "[email]", "vars": {"n": ["[email]"]}}
        path = f"exception.values.stacktrace.frames.{before}"
        assert cleaned.scrubbed == (path, f"{path}.vars.n")


def test_what_one_project_lets_pass_another_does_not() -> None:
    memory = PartMemory()
    strict = Scrubber(["pet_name"], memory=memory)
    event = {"extra": {"pet_name": "Rex"}, "request": {"data": {"pet_name": "Rex"}}}

    assert Scrubber(memory=memory).clean(event).event["extra"] == {"pet_name": "Rex"}
    assert strict.clean(event).event["extra"] == {"pet_name": "[Filtered]"}
    assert strict.clean(event).event["request"]["data"] == {"pet_name": "[Filtered]"}


def test_what_somebody_completes_is_not_what_is_remembered() -> None:
    scrubber = Scrubber()
    spans = {"spans": ["a"], "contexts": [{"rows": 1}]}

    # Who reads spans puts the cleaned statements back among their attributes.
    scrubber.clean(orjson.loads(orjson.dumps(spans))).event["contexts"][0]["statement"] = "SELECT 1"

    assert scrubber.clean(spans).event == spans


def test_the_memory_of_parts_is_bounded() -> None:
    memory, part = PartMemory(most_bytes=1_500), CleanedPart({}, ())
    for number in range(50):
        memory.remember("a", "code", b"%040d" % number, part)
    memory.remember("a", "code", bytes(5_000), part)

    known = [number for number in range(50) if memory.find("a", "code", b"%040d" % number)]
    assert known == [48, 49]
    assert memory.find("a", "code", bytes(5_000)) is None


def test_the_memory_of_parts_is_bounded_in_their_number() -> None:
    memory, part = PartMemory(), CleanedPart([1], ())
    numbers = range(10_000)
    for number in numbers:
        memory.remember("a", "variable", b"[%d]" % number, part)

    known = [number for number in numbers if memory.find("a", "variable", b"[%d]" % number)]
    assert known
    assert len(known) <= 4_096


@settings(max_examples=400, deadline=None)
@given(text=_TEXTS)
def test_what_a_pattern_would_replace_has_its_signature(text: str) -> None:
    found = _FINDER.find(orjson.dumps([text]))

    for pattern in PATTERNS:
        if pattern.may_occur(text.lower()) and pattern.replace(text) != text:
            assert pattern in found


@pytest.mark.parametrize(
    "parameters",
    ["who=alice%40example.org", "q=4111+1111+1111+1111", "to=postgres%3A%2F%2Fme%3Apw%40db"],
)
def test_what_only_its_encoding_hides_is_found_in_a_query(parameters: str) -> None:
    event = _QUICK.clean({"request": {"query_string": parameters}}).event

    assert not {"alice", "4111", "pw"} & set(
        event["request"]["query_string"]
        .replace("@", " ")
        .replace("=", " ")
        .replace(":", " ")
        .split()
    )
