from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.errortracking.grouping.rules import MatchedRule, RuleError
from resumatch_monitor.errortracking.grouping.rules_parse import parse_rules
from resumatch_monitor.errortracking.normalise import normalise
from tests.support.errors import make_event, make_exception, make_frame


def match(rules: str, **over: Any) -> MatchedRule | None:
    return parse_rules(rules).match(normalise(make_event(**over)))


@pytest.mark.parametrize(
    "matcher",
    [
        "error.type:KeyError",
        "type:Key*",
        "error.value:\"'SALARY'\"",
        "message:*salary*",
        "level:ERROR",
        "release:shop@*",
        "environment:production",
        "transaction:/checkout",
        "tags.environment:prod*",
        "stack.function:pay",
        "function:p?y",
        "stack.module:shop.*",
        'stack.abs_path:"**/cart.py"',
        "path:/srv/shop/*.py",
        "app:yes",
        "family:other",
        "!error.type:ValueError",
        "!tags.nothing:*",
        "error.type:KeyError level:error function:pay module:shop.cart",
    ],
)
def test_matches(matcher: str) -> None:
    assert match(f"{matcher} -> mine") is not None


@pytest.mark.parametrize(
    "matcher",
    [
        "error.type:keyerror",
        "error.type:Key",
        "level:fatal",
        "tags.nothing:*",
        "stack.abs_path:*/pay.py",
        "app:no",
        "family:javascript",
        "!error.type:KeyError",
        "error.type:KeyError level:fatal",
    ],
)
def test_does_not_match(matcher: str) -> None:
    assert match(f"{matcher} -> mine") is None


def test_matchers_of_frames_must_hold_for_one_frame() -> None:
    frames = [make_frame("pay", "shop.cart"), make_frame("other", "shop.bank")]
    exception = {"values": [make_exception(stacktrace={"frames": frames})]}

    assert match("function:pay module:shop.cart -> x", exception=exception)
    assert match("function:pay module:shop.bank -> x", exception=exception) is None
    assert match("function:pay !module:shop.bank -> x", exception=exception)


def test_the_first_rule_that_matches_counts() -> None:
    matched = match(
        "# comment\n\nerror.type:ValueError -> a\nerror.type:Key* -> b\nerror.type:* -> c"
    )

    assert matched is not None
    assert (matched.rule.line, matched.fingerprint) == (4, ("b",))


@pytest.mark.parametrize(
    ("written", "fingerprint"),
    [
        ("my-group", ("my-group",)),
        ("a, b", ("a", "b")),
        ("a b", ("a", "b")),
        ('"a, b", c', ("a, b", "c")),
        ("{{ default }}, {{ transaction }}", ("{{ default }}", "/checkout")),
        ("api-{{ error.type }}", ("api-KeyError",)),
        ("{{tags.release}}", ("shop@1.0",)),
        ("{{ tags.none }}", ("<none>",)),
    ],
)
def test_fills_the_fingerprint_in(written: str, fingerprint: tuple[str, ...]) -> None:
    matched = match(f"error.type:* -> {written}")

    assert matched is not None
    assert matched.fingerprint == fingerprint


def test_a_title_may_have_variables() -> None:
    matched = match('error.type:* -> x title="Failed in {{ transaction }}"')

    assert matched is not None
    assert matched.title == "Failed in /checkout"


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("error.type:A", (1, 13), "expected '->'"),
        ("\n\nnothing -> a", (3, 1), "expected a matcher"),
        ("bug.type:A -> a", (1, 1), "no matcher 'bug.type'"),
        ("level:error !bug:A -> a", (1, 14), "no matcher 'bug'"),
        ("-> a", (1, 1), "expected a matcher before"),
        ("error.type:A ->", (1, 16), "after '->'"),
        ("error.type: -> a", (1, 12), "expected a pattern"),
        ('error.type:"A -> a', (1, 12), "quote is not closed"),
        ("error.type:[A -> a", (1, 12), "bracket"),
        ('error.type:"x{A" -> a', (1, 14), "brace"),
        ("app:maybe -> a", (1, 5), "yes or no"),
        ("family:python -> a", (1, 8), "javascript"),
        ("error.type:A -> {{ nonsense }}", (1, 17), "no variable"),
        ("error.type:A -> {{ default", (1, 17), "expected a value"),
        ("error.type:A -> a title=b", (1, 25), "in quotes"),
        ('error.type:A -> a title="b" c', (1, 29), "nothing after the title"),
    ],
)
def test_tells_where_a_rule_is_wrong(text: str, place: tuple[int, int], says: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse_rules(text)

    assert (caught.value.line, caught.value.column) == place
    assert says in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "error.type:A -> a\n" * 501,
        "#" * 70_000,
        "error.type:A " * 21 + "-> a",
        "error.type:A -> " + "a " * 21,
        "error.type:A -> " + "a" * 201,
        "error.type:" + "a" * 4_000 + " -> a",
    ],
)
def test_is_bounded(text: str) -> None:
    with pytest.raises(RuleError):
        parse_rules(text)


@given(st.text(alphabet=st.sampled_from('error.type:A*[]{}"->,= \\title!#\n'), max_size=60))
def test_reads_or_refuses_anything(text: str) -> None:
    places: list[tuple[int, int]] = []
    try:
        parse_rules(text).match(normalise(make_event()))
    except RuleError as error:
        places.append((error.line, error.column))

    assert all(line >= 1 and column >= 1 for line, column in places)
