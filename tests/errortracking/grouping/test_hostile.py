"""Grouping never fails, and never takes long, whatever an event holds."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resumatch_monitor.errortracking.grouping.explain import explain
from resumatch_monitor.errortracking.grouping.project import ProjectGrouping, group_event
from resumatch_monitor.errortracking.grouping.registry import GROUPERS
from resumatch_monitor.errortracking.grouping.rules_parse import parse_rules
from resumatch_monitor.errortracking.normalise import normalise

_RULES = parse_rules(
    'stack.function:*a* path:"**/b/*" -> {{ stack.function }}, {{ default }}\n'
    "message:*1* tags.a:* -> {{ message }}, {{ tags.a }}\n!error.type:A -> x {{ type }}"
)
# Anything worse than linear takes minutes.
_SECONDS = 5.0

texts: st.SearchStrategy[Any] = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["?", "<lambda>", "a.<locals>.b", "/a/b-1234567a.js", "{{ x }}", "\ud800"]),
)
values: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 900), st.floats(), texts
)
frames: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        (
            *("function", "module", "filename", "abs_path", "lineno", "colno", "context_line"),
            *("in_app", "package"),
        ),
        values,
    ),
)
mechanisms: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {},
    optional={
        "exception_id": st.integers(0, 4),
        "parent_id": st.integers(0, 4),
        "is_exception_group": st.booleans(),
        "source": st.sampled_from(["__cause__", "__context__", "exceptions[0]"]),
    },
)
exceptions: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {},
    optional={
        "type": values,
        "value": values,
        "mechanism": mechanisms,
        "stacktrace": st.fixed_dictionaries({"frames": st.lists(frames, max_size=6)}),
    },
)
events: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {},
    optional={
        "platform": st.sampled_from(["python", "javascript", "node", "other"]),
        "exception": st.fixed_dictionaries({"values": st.lists(exceptions, max_size=6)}),
        "message": values,
        "fingerprint": st.lists(values, max_size=3),
        "csp": st.dictionaries(st.sampled_from(["blocked_uri", "effective_directive"]), values),
        "tags": st.dictionaries(texts, values, max_size=3),
    },
)


@given(events)
@settings(deadline=None)
def test_groups_and_explains_anything(raw: dict[str, Any]) -> None:
    event = normalise(raw)

    for version in GROUPERS:
        how = ProjectGrouping(version, rules=_RULES)
        grouped = group_event(event, how)
        assert len(grouped.grouping.key) == 16
        assert explain(event, how).key == grouped.grouping.key


@pytest.mark.parametrize(
    "text",
    [
        "-a" * 25_000,
        "/" * 50_000,
        "." * 50_000,
        "a." * 25_000,
        "'" * 50_000,
        "'a'" * 12_000,
        "(" * 50_000,
        "0x" * 25_000,
        "1:" * 25_000,
        "a@" * 25_000,
        "<number>, " * 5_000,
        "((1, " * 10_000,
        "Cannot read properties of " + "(reading 'a" * 4_000,
        "is not an object (evaluating '" + "a." * 12_000,
        "/src/" * 10_000,
    ],
    ids=lambda text: text[:12],
)
def test_long_texts_take_no_time(text: str) -> None:
    frame = {"function": text, "filename": text, "abs_path": text, "context_line": text,
             "lineno": 1, "colno": 5_000, "in_app": True}  # fmt: skip
    exception = {"type": text, "value": text, "stacktrace": {"frames": [frame] * 3}}
    started = time.perf_counter()

    for platform in ("python", "javascript"):
        for over in ({"exception": {"values": [exception] * 3}}, {"message": text}):
            event = normalise({"platform": platform, **over})
            for version in GROUPERS:
                group_event(event, ProjectGrouping(version, rules=_RULES))

    assert time.perf_counter() - started < _SECONDS
