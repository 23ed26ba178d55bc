import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.kit.regex import Regex, RegexError, RegexSet

_CATASTROPHIC = ("(a+)+$", "(a|a)*b", "(.*)*x", "(.*.*.*.*.*.*)*b", "([a-zA-Z]+)*!")


@pytest.mark.timeout(10)
@pytest.mark.parametrize("pattern", _CATASTROPHIC)
def test_an_expression_that_backtracks_without_end_elsewhere_answers_at_once(pattern: str) -> None:
    text = "a" * 100_000 + "?"
    regex = Regex(pattern)

    assert not regex.matches(text)
    assert regex.fullmatch(text) is None
    assert regex.replace("aab?", lambda _: "-")


@pytest.mark.parametrize(
    "pattern", ["(", "a**", "x{1001}", "((a{100}){100}){100}", "(?=a)", r"\1", "\ud800"]
)
def test_what_is_no_expression_or_too_large_a_one_is_refused(pattern: str) -> None:
    with pytest.raises(RegexError):
        Regex(pattern)


def test_groups_are_read_by_number_and_name() -> None:
    match = Regex(r"(?P<word>\pL+)(-\d)?").fullmatch("größe")

    assert match is not None
    assert (match[0], match["word"], match[2]) == ("größe", "größe", None)
    with pytest.raises(IndexError):
        match[3]


def test_a_dot_matches_a_line_end_only_if_asked() -> None:
    assert not Regex("a.b").matches("a\nb")
    assert Regex("a.b", dot_matches_newline=True).matches("a\nb")


def test_every_match_is_replaced() -> None:
    assert Regex(r"\d+").replace("a1b22c", lambda match: f"<{match[0]}>") == "a<1>b<22>c"


@given(st.text())
def test_any_text_matches_anything(text: str) -> None:
    regex = Regex(".*", dot_matches_newline=True)

    assert regex.matches(text)
    assert regex.fullmatch(text) is not None


def test_a_set_tells_which_expressions_occur_whatever_the_case() -> None:
    expressions = RegexSet(["secret", "b+c", "never"])

    assert expressions.find(b"bbC and SECRET") == [0, 1]
    assert expressions.find(b"") == []


def test_a_set_refuses_what_is_no_expression() -> None:
    with pytest.raises(RegexError):
        RegexSet(["fine", "("])
