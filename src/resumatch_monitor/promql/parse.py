"""Turns the text of a query into our own syntax tree.

`promql_parser` is native code with recursion of its own: a query of many thousand nested
parentheses ends the whole process. So the text is measured before it is parsed. It tells no
positions and does not know all of PromQL; the modules `lexer`, `rewrite` and `places` make up for
that.
"""

import functools
import re

import promql_parser as pp

from resumatch_monitor.kit.regex import Regex
from resumatch_monitor.promql import ast
from resumatch_monitor.promql.adaptor import EXPERIMENTAL_FUNCTIONS, FILL_MODIFIERS, Adaptor
from resumatch_monitor.promql.durations import QuerySpan
from resumatch_monitor.promql.lexer import Token, TokenKind, render_position, tokenize
from resumatch_monitor.promql.places import find_calls
from resumatch_monitor.promql.remarks import TYPE_AND_UNIT_LABELS
from resumatch_monitor.promql.rewrite import Rewritten, rewrite
from resumatch_monitor.promql.value import QueryError, QueryTooLongError, UnsupportedError

DURATION_EXPRESSIONS = "promql-duration-expr"
FEATURES = frozenset(
    {EXPERIMENTAL_FUNCTIONS, FILL_MODIFIERS, DURATION_EXPRESSIONS, TYPE_AND_UNIT_LABELS}
)
"""The experimental features that queries can be allowed, by Prometheus' names."""

MAX_QUERY_BYTES = 100_000
MAX_OPERATORS = 250
"""Operators and opening brackets together; the evaluator needs three frames for each."""
MAX_NESTING = 60
_MOST_CACHED = 1024

_NEEDS_DURATIONS = f"it needs the feature {DURATION_EXPRESSIONS}"
# Syntax that `promql_parser` refuses and Prometheus has behind a feature flag, by its first token.
_UNPARSED_SYNTAX = (
    (
        Regex(r"\b(?:anchored|smoothed)\b"),
        "an anchored or smoothed selector (promql-extended-range-selectors) is not supported",
    ),
    (Regex(r"<\s*/|>\s*/"), "the histogram trim operator is not supported"),
    (
        Regex(r"[\[:]\s*(?:[^\]\"]*[-+*/^%(])"),
        f"a duration expression is experimental: {_NEEDS_DURATIONS}",
    ),
    (
        Regex(r"\boffset\s*-?\s*(?:\(|step\b|range\b|min_of\b|max_of\b)"),
        f"a duration expression is experimental: {_NEEDS_DURATIONS}",
    ),
)
_UNKNOWN_FUNCTION = re.compile(r"unknown function with name '(.*)'")
_SPANNING = re.compile(r"\b(?:step|range)\s*\(", re.IGNORECASE)
_STRINGS_AND_COMMENTS = re.compile(
    r'"(?:[^"\\\n]|\\.)*"' + r"|'(?:[^'\\\n]|\\.)*'" + r"|`[^`]*`" + r"|#[^\n]*"
)
_OPERATORS = re.compile(
    r"[-+*/%^]|==|!=|<=|>=|<|>|\b(?:and|or|unless|atan2)\b|\(|\[", re.IGNORECASE
)


def parse(
    text: str, *, features: frozenset[str] = frozenset(), span: QuerySpan | None = None
) -> ast.Expr:
    """Parse `text`.

    Args:
        text: A PromQL expression.
        features: Prometheus' names of the experimental features to allow.
        span: What `step()` and `range()` are in duration expressions.

    Raises:
        QueryError: If it is not well-formed or its types do not fit.
        UnsupportedError: If it uses something that this engine does not have, named in the message.
        QueryTooLongError: If it is too long or too deeply nested.
    """
    if span is None or not _SPANNING.search(text):
        span = QuerySpan()
    return _parse_checked(text, features, span)


@functools.lru_cache(maxsize=_MOST_CACHED)
def _parse_checked(text: str, features: frozenset[str], span: QuerySpan) -> ast.Expr:
    _check_size(text)
    tokens = tokenize(text)
    rewritten = rewrite(text, tokens, span if DURATION_EXPRESSIONS in features else None)
    try:
        node = _parse_natively(text, tokens, rewritten)
        return Adaptor(features, rewritten, find_calls(text, tokens)).adapt(node)
    except (OverflowError, ValueError):
        raise QueryError("parse error: a duration or a moment is too far away") from None
    except BaseException as error:
        # The native code panics on some numbers, and a panic is no `Exception`.
        if type(error).__name__ == "PanicException":
            raise QueryError("parse error: the query cannot be understood") from None
        raise


def format_query(text: str) -> str:
    """Render `text` as `promql_parser` lays out queries.

    Raises:
        QueryError: As `parse`.
    """
    _check_size(text)
    return _parse_natively(text, tokenize(text), Rewritten(text)).prettify()


def parse_natively(text: str) -> pp.Expr:
    """Return the tree of `promql_parser` itself, brackets included, for `tree` alone.

    Raises:
        QueryError: As `parse`.
        UnsupportedError: For a moment before 1970, which that tree cannot hold.
    """
    _check_size(text)
    tokens = tokenize(text)
    rewritten = rewrite(text, tokens, None)
    if rewritten.moments:
        raise UnsupportedError("@ with a moment before 1970 is not supported here")
    return _parse_natively(text, tokens, Rewritten(text))


def _check_size(text: str) -> None:
    if len(text.encode()) > MAX_QUERY_BYTES:
        raise QueryTooLongError(f"the query is longer than {MAX_QUERY_BYTES:,} bytes")
    if not text.strip():
        raise QueryError("parse error: no expression found in input")
    bare = _STRINGS_AND_COMMENTS.sub('""', text)
    if sum(1 for _ in _OPERATORS.finditer(bare)) > MAX_OPERATORS:
        raise QueryTooLongError(f"the query has more than {MAX_OPERATORS} operators and brackets")
    depth = 0
    for character in bare:
        if character in "([{":
            depth += 1
            if depth > MAX_NESTING:
                raise QueryTooLongError(f"the query is nested more than {MAX_NESTING} levels deep")
        elif character in ")]}":
            depth -= 1


def _parse_natively(text: str, tokens: list[Token], rewritten: Rewritten) -> pp.Expr:
    try:
        return pp.parse(rewritten.text)
    except ValueError as error:
        bare = _STRINGS_AND_COMMENTS.sub('""', text)
        for pattern, complaint in _UNPARSED_SYNTAX:
            if pattern.searches(bare):
                raise UnsupportedError(complaint) from None
        raise QueryError(_locate(text, tokens, str(error))) from None


def _locate(text: str, tokens: list[Token], problem: str) -> str:
    """Return the message for `problem`, with where it is if its words tell."""
    function = _UNKNOWN_FUNCTION.search(problem)
    for token in tokens if function is not None else ():
        if function is not None and token.kind is TokenKind.NAME and token.text == function[1]:
            where = render_position(text, token.begin)
            return f'{where}: parse error: unknown function with name "{function[1]}"'
    return f"parse error: {problem}"
