import pytest

from resumatch_monitor.errortracking.grouping.globs import Glob, GlobError


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("abc", "abc", True),
        ("abc", "abcd", False),
        ("a*", "abc", True),
        ("*c", "abc", True),
        ("a*c*e", "abcde", True),
        ("a*c*e", "abcd", False),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("[ab]x", "bx", True),
        ("[!ab]x", "bx", False),
        ("[a-c]x", "cx", True),
        (r"\[a\]\*", "[a]*", True),
        ("{foo,ba*}.x", "bar.x", True),
        ("{foo,bar}.x", "baz.x", False),
        ("*", "", True),
        ("*", "a/b", True),
        ("**/a", "b/a", True),
        ("a*b*b", "ab", False),
        ("a*b*b", "abb", True),
        ("*a?*", "xay", True),
        ("[]x", "x", False),
        ("a.c", "abc", False),
        ("a*", "a\nb", True),
        ("[^-]*", "x-", True),
        ("[\\]]", "]", True),
    ],
)
def test_matches_whole_texts(pattern: str, text: str, expected: bool) -> None:
    assert Glob(pattern).matches(text) is expected


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("*/cart.js", "src/cart.js", True),
        ("*/cart.js", "a/src/cart.js", False),
        ("**/cart.js", "a/src/cart.js", True),
        ("**/my/*.js", "a/my/b/my/c.js", True),
        ("**/my/*.js", "a/my/b/c.js", False),
    ],
)
def test_a_star_of_a_path_stops_at_slashes(pattern: str, text: str, expected: bool) -> None:
    assert Glob(pattern, is_path=True).matches(text) is expected


def test_ignores_case_where_it_is_told_to() -> None:
    assert Glob("Time*", ignore_case=True).matches("timeOUT")
    assert not Glob("Time*").matches("timeout")


@pytest.mark.parametrize(("pattern", "offset"), [("a[b", 1), ("ab{c", 2), ("x" * 501, 500)])
def test_tells_where_a_pattern_is_wrong(pattern: str, offset: int) -> None:
    with pytest.raises(GlobError) as caught:
        Glob(pattern)

    assert caught.value.offset == offset


def test_many_stars_take_no_time() -> None:
    assert not Glob("*a" * 200 + "b").matches("a" * 2_000)


def test_refuses_braces_that_multiply() -> None:
    with pytest.raises(GlobError, match="combinations"):
        Glob("{a,b}" * 12)
