"""What is not looked at could not have matched."""

import re

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resumatch_monitor.kit.regex import Regex as CompiledRegex
from resumatch_monitor.logs.query.matching import build_predicate
from resumatch_monitor.logs.query.tree import And, Node, Not, Or, Regex, Wildcard, Words
from resumatch_monitor.storage.logindex.codec import encode_record
from resumatch_monitor.storage.logindex.prefilter import build_prefilter
from tests.support.logs import make_record


@pytest.mark.parametrize(
    ("pattern", "hit", "miss"),
    [
        ("timed out after \\d+ms", "it timed out after 30ms", "it timed in"),
        ("(?i)TimeOut", "TIMEOUT", "time out"),
        ("(?i)kelvin", "\u212aelvin", "celsius"),
        ("ab+cde", "abbbcde", "abbb"),
        ("order(ed)? [0-9]+", "order 12", "ordain 12"),
        ("abcx?", "abc", "ab"),
        ("abcx{0,2}", "abc", "ab"),
        ('say "hello"', 'say "hello"', "say bye"),
        ("path\\\\temp", "path\\temp", "path"),
        ("größer als", "größer als", "groesser als"),
        ("[)(]abc[^]]def", ")abc-def", "abc"),
    ],
)
def test_lets_through_what_matches_and_little_else(pattern: str, hit: str, miss: str) -> None:
    node = Regex("message", pattern)
    test = build_prefilter(node)
    matching = encode_record(make_record(hit), 1)
    other = encode_record(make_record(miss), 1)

    assert test is not None
    assert build_predicate(node)(make_record(hit))
    assert test(matching)
    assert test(other + b"\n" + matching)
    assert not test(other)


@pytest.mark.parametrize(
    "node",
    [
        Regex("message", "a|bcd"),
        Regex("message", "(?s)abc.def"),
        Regex("message", "..."),
        Regex("price", "404"),
        Regex("price", "1e5"),
        Wildcard("price", "4*4"),
        Not(Regex("message", "timeout")),
        Or((Regex("message", "timeout"), Words(("x",)))),
        Regex("message", "\\Qabc\\E"),
        Regex("message", "\\x41bcd"),
    ],
)
def test_leaves_alone_what_it_cannot_judge(node: Node) -> None:
    assert build_prefilter(node) is None


def test_needs_all_parts_of_a_conjunction_and_one_of_a_choice() -> None:
    one, other = Regex("message", "timeout"), Wildcard("user.name", "alice*")
    both, either = build_prefilter(And((one, other))), build_prefilter(Or((one, other)))

    assert both is not None
    assert either is not None
    assert both(b"timeout of alice")
    assert not both(b"timeout of bob")
    assert either(b"of alice")
    assert not either(b"of bob")


_PIECES = st.sampled_from(
    ["abc", "user", "é", '"', "\\.", "\\\\", "x?", "y*", "z+", "[a-c]", "(ab)?", "(cd)+", ".",
     "\\d", "\\b", "^", "$", " ", "q{2}", "[^)]", "(a(b)c)*"]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    pieces=st.lists(_PIECES, max_size=6),
    folds=st.booleans(),
    text=st.lists(
        st.sampled_from(["abc", "user", "é", '"', ".", "\\", "x", "y", "zz", "ab", "cd", "1", "\n",
                         " ", "qq", "ABC", "USER"]),
        max_size=8,
    ).map("".join),
)  # fmt: skip
def test_never_denies_what_matches(pieces: list[str], folds: bool, text: str) -> None:
    pattern = ("(?i)" if folds else "") + "".join(pieces)
    try:
        re.compile(pattern)
        found = CompiledRegex(pattern).searches(text)
    except (re.error, ValueError):
        return
    test = build_prefilter(Regex("message", pattern))

    if found and test is not None:
        assert test(orjson.dumps([text])), pattern
