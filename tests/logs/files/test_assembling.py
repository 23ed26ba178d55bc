"""Bytes make the same records however they are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.logs.files.assembling import Assembler, Piece, Rules

PYTHON = """\
2026-11-26 07:00:00 ERROR failed
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    f()
ValueError: no

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
KeyError: 'x'
2026-11-26 07:00:01 INFO next
"""
JAVA = """\
ERROR failed
java.lang.IllegalStateException: no
\tat a.b.C.d(C.java:1)
Caused by: java.io.IOException: gone
\t... 12 more
INFO next
"""
JAVASCRIPT = "Error: no\n    at f (/a.js:1:2)\n    at g (/a.js:3:4)\nnext\n"


def assemble(data: bytes, *cuts: int, rules: Rules | None = None) -> list[str]:
    assembler = Assembler(rules or Rules(), 0)
    pieces: list[Piece] = []
    for start, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        pieces += assembler.feed(data[start:end])
    pieces += assembler.flush(is_over=True)
    assert all(one.end <= two.start for one, two in pairwise(pieces))
    assert assembler.safe_offset == assembler.read_offset == len(data)
    return [each.text for each in pieces]


@pytest.mark.parametrize(
    ("text", "records"),
    [
        (PYTHON, [PYTHON.partition("\n2026-11-26 07:00:01")[0], "2026-11-26 07:00:01 INFO next"]),
        (
            JAVA,
            [
                "ERROR failed",
                JAVA.removeprefix("ERROR failed\n").removesuffix("\nINFO next\n"),
                "INFO next",
            ],
        ),
        (JAVASCRIPT, [JAVASCRIPT.removesuffix("\nnext\n"), "next"]),
        ("one\r\ntwo\r\n", ["one", "two"]),
        ("\n\none\n\n\ntwo\n\n", ["one", "two"]),
        ("  indented first\nnext\n", ["  indented first", "next"]),
        ('{"a": 1}\n  {"b": 2}\n{"c": 3}\nText\n  more\n',
         ['{"a": 1}', '  {"b": 2}', '{"c": 3}', "Text\n  more"]),
        ("\ufeffone\n", ["one"]),
        ("\0\0\0\0one\n", ["one"]),
        ("no end", ["no end"]),
    ],
)  # fmt: skip
def test_lines_that_belong_together_are_one_record(text: str, records: list[str]) -> None:
    assert assemble(text.encode()) == records


def test_invalid_utf_8_is_replaced() -> None:
    assert assemble(b"caf\xe9 \xff\n") == ["caf\ufffd \ufffd"]


def test_a_first_line_may_be_configured() -> None:
    rules = Rules(is_first=lambda line: line.startswith("#"))

    assert assemble(b"#1\na\nb\n#2\n{\n", rules=rules) == ["#1\na\nb", "#2\n{"]


def test_lines_need_not_be_joined() -> None:
    assert assemble(b"a\n b\n", rules=Rules(joins=False)) == ["a", " b"]


def test_a_long_line_is_cut_and_says_so() -> None:
    data = b"x" * 5000 + b"\nnext\n"

    cut, following = assemble(data, 10, 4000, rules=Rules(max_bytes=100))

    assert (cut, following) == ("x" * 100 + "… [cut: 5000 bytes]", "next")


def test_a_long_record_goes_on_in_the_next() -> None:
    records = assemble(b"a\n" + b" b\n" * 5, rules=Rules(max_lines=3))

    assert records == ["a\n b\n b… [continued in the next record]", " b\n b\n b"]


@given(
    st.lists(
        st.sampled_from(
            [b"a", b" b", b"\n", b"\n", b"\r\n", b"\0", b"{}", b"Traceback (most recent call last)",
             b"at ", b"\xff", b"x" * 40]
        ),
        max_size=40,
    ).map(b"".join),
    st.lists(st.integers(0, 200), max_size=6),
)  # fmt: skip
def test_any_split_gives_the_same(data: bytes, cuts: list[int]) -> None:
    inside = sorted(min(each, len(data)) for each in cuts)
    rules = Rules(max_lines=4, max_bytes=60)

    assert assemble(data, *inside, rules=rules) == assemble(data, rules=rules)
