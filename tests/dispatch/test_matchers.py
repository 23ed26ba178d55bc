import pytest

from resumatch_monitor.dispatch.matchers import match_all, parse_matchers, render_matchers
from resumatch_monitor.metrics.labels import MatchOp


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('severity="critical"', [("severity", MatchOp.EQUAL, "critical")]),
        ("severity=critical", [("severity", MatchOp.EQUAL, "critical")]),
        (" severity = critical ", [("severity", MatchOp.EQUAL, "critical")]),
        ("env != dev", [("env", MatchOp.NOT_EQUAL, "dev")]),
        ('status=~"5.."', [("status", MatchOp.REGEX, "5..")]),
        ("team!~a|b", [("team", MatchOp.NOT_REGEX, "a|b")]),
        ("code=~[a-z]{2}", [("code", MatchOp.REGEX, "[a-z]{2}")]),
        ("owner=", [("owner", MatchOp.EQUAL, "")]),
        ('owner=""', [("owner", MatchOp.EQUAL, "")]),
        (r'quote="say \"hi, you\""', [("quote", MatchOp.EQUAL, 'say "hi, you"')]),
        (r'path="a\\b\nc"', [("path", MatchOp.EQUAL, "a\\b\nc")]),
        (r'version=~"1\.2"', [("version", MatchOp.REGEX, r"1\.2")]),
        ('"a b"="c"', [("a b", MatchOp.EQUAL, "c")]),
        (
            '{team="api", env=~"prod|stage",}',
            [("team", MatchOp.EQUAL, "api"), ("env", MatchOp.REGEX, "prod|stage")],
        ),
        ("a=b,c!=d", [("a", MatchOp.EQUAL, "b"), ("c", MatchOp.NOT_EQUAL, "d")]),
        ("", []),
        ("{}", []),
    ],
)
def test_parses_as_alertmanager_does(text: str, expected: list[tuple[str, MatchOp, str]]) -> None:
    found = [(matcher.name, matcher.op, matcher.value) for matcher in parse_matchers(text)]

    assert found == expected


@pytest.mark.parametrize(
    "text",
    ["severity", "=critical", '{a="b"', 'a="b', 'a="b"c', "a==b=", "a=b,,c=d", 'a=b"c', "a=~["],
)
def test_refuses_what_is_no_matcher(text: str) -> None:
    with pytest.raises(ValueError, match=r"matcher|brace|regular expression"):
        parse_matchers(text)


def test_an_absent_label_is_an_empty_one() -> None:
    assert match_all(parse_matchers("team="), {})
    assert match_all(parse_matchers("team!=api"), {})
    assert not match_all(parse_matchers('team=~".+"'), {})


def test_regular_expressions_are_anchored() -> None:
    assert not match_all(parse_matchers("team=~api"), {"team": "apis"})


def test_renders_in_order_and_escaped() -> None:
    assert render_matchers(parse_matchers('b=~"x", a="q\\"q"')) == '{a="q\\"q",b=~"x"}'


def test_a_text_of_blanks_takes_no_time_to_refuse() -> None:
    # It was cubic: this took hours, and nothing else ran meanwhile.
    with pytest.raises(ValueError, match="is not a matcher"):
        parse_matchers("a=" + " " * 60_000 + '"')


def test_the_number_of_matchers_is_bounded() -> None:
    assert len(parse_matchers("a!=b," * 64)) == 64
    with pytest.raises(ValueError, match="more than 64 matchers"):
        parse_matchers("a!=b," * 65)
