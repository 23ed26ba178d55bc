"""Any text is a query or an error that says where, in little time."""

import string
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from resumatch_monitor.logs.query.lexer import MAX_QUERY_CHARACTERS, QueryError
from resumatch_monitor.logs.query.matching import build_predicate
from resumatch_monitor.logs.query.parser import parse_query
from resumatch_monitor.logs.query.tree import Node
from tests.support.logs import make_record

_PIECES = [
    "a", "AND", "OR", "NOT", "(", ")", "[", "]", "{", "}", '"', "/", "\\", ":", "*", "?", "-",
    "+", "!", ">", "<=", " ", "TO", "level:", "service:", "n:", "_exists_:", "1e9", "٣", "ß", "İ",
]  # fmt: skip
_texts = st.one_of(
    st.text(max_size=60),
    st.text(alphabet=string.punctuation + " ab1", max_size=60),
    st.lists(st.sampled_from(_PIECES), max_size=40).map("".join),
    st.lists(st.sampled_from(_PIECES), max_size=40).map(" ".join),
)


def read_or_refuse(text: str) -> Node | QueryError:
    try:
        return parse_query(text)
    except QueryError as error:
        return error


@settings(max_examples=400, deadline=None)
@given(_texts)
@example('"' + "\\" * 7)
@example("n:" + "9" * 400)
def test_any_text_is_a_query_or_an_error_that_says_where(text: str) -> None:
    record = make_record("a ß 1e9", attributes={"n": 1, "m": ["x", None, 2.5]})
    read = read_or_refuse(text)
    if isinstance(read, QueryError):
        assert 0 <= read.position <= len(text)
        assert str(read)
    else:
        assert build_predicate(read)(record) in (True, False)


@pytest.mark.parametrize(
    "piece",
    ["(", "NOT ", "-", "a:(", "(a OR ", "((a) ", '"a" ', "[", "a* ", "/a", "\\", "+", "/a/ "],
)
def test_a_query_as_long_as_may_be_takes_little_time(piece: str) -> None:
    text = (piece * MAX_QUERY_CHARACTERS)[:MAX_QUERY_CHARACTERS]
    began = time.process_time()

    read = read_or_refuse(text)

    assert time.process_time() - began < 1
    assert not isinstance(read, QueryError) or 0 <= read.position <= len(text)
