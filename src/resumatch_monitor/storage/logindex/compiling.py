"""Makes a query of the index of a tree; what no index knows is left to be looked at in records."""

from dataclasses import dataclass, replace
from decimal import Decimal

import tantivy

from resumatch_monitor.logs.fields import EXACT_FIELDS, FIELD_NAMES, Field
from resumatch_monitor.logs.query.matching import parse_number, render_value, wildcard_to_regex
from resumatch_monitor.logs.query.tree import (
    And,
    Equals,
    Everything,
    Exists,
    Node,
    Not,
    Or,
    Range,
    Regex,
    Wildcard,
    Words,
    split_words,
)
from resumatch_monitor.logs.record import severity_range
from resumatch_monitor.storage.logindex.library import all_of, any_of
from resumatch_monitor.storage.logindex.schema import (
    LONGEST_VALUE,
    NameBudget,
    rest_name,
    rest_term,
    shorten_id,
)

_SEVERITIES = range(1, 25)
_LARGEST_INTEGER = 2**63
_ID_BYTES = {Field.TRACE_ID: 16, Field.SPAN_ID: 8}


@dataclass(frozen=True, slots=True)
class Compiled:
    """A question to the index.

    Attributes:
        query: Finds all records that match, and others if it is not exact.
        is_exact: Whether it finds nothing else.
    """

    query: tantivy.Query
    is_exact: bool = True


class QueryCompiler:
    """Compiles trees for the index of one partition."""

    def __init__(self, index: tantivy.Index, names: NameBudget) -> None:
        self._index = index
        self._schema = index.schema
        self._names = names

    def compile(self, node: Node) -> Compiled:
        """Return what to ask the index.

        Raises:
            ValueError: If a pattern cannot be read.
        """
        match node:
            case Everything():
                return Compiled(tantivy.Query.all_query())
            case Words():
                return self._compile_words(node)
            case Equals():
                return self._compile_equals(node)
            case Wildcard():
                return self._compile_wildcard(node)
            case Regex():
                return Compiled(self._having(node.field).query, is_exact=False)
            case Range():
                return self._compile_range(node)
            case Exists():
                return self._having(node.field)
            case Not():
                return self._compile_not(node)
            case And():
                return self._combine(node.nodes, tantivy.Occur.Must)
            case Or():
                return self._combine(node.nodes, tantivy.Occur.Should)

    def within(self, query: tantivy.Query, low: int | None, high: int | None) -> tantivy.Query:
        """Return `query` among the places from `low` to below `high`."""
        if low is None and high is None:
            return query
        span = tantivy.Query.range_query(
            self._schema,
            "seq",
            tantivy.FieldType.Integer,
            lower_bound=low,
            upper_bound=high,
            include_upper=False,
        )
        return all_of([span, query])

    def _combine(self, nodes: tuple[Node, ...], occur: tantivy.Occur) -> Compiled:
        parts = [self.compile(each) for each in nodes]
        return Compiled(
            tantivy.Query.boolean_query([(occur, part.query) for part in parts]),
            is_exact=all(part.is_exact for part in parts),
        )

    def _compile_not(self, node: Not) -> Compiled:
        inner = self.compile(node.node)
        if not inner.is_exact:
            return Compiled(tantivy.Query.all_query(), is_exact=False)
        return Compiled(
            tantivy.Query.boolean_query(
                [
                    (tantivy.Occur.Must, tantivy.Query.all_query()),
                    (tantivy.Occur.MustNot, inner.query),
                ]
            )
        )

    def _compile_words(self, node: Words) -> Compiled:
        words = list(node.words)
        if len(words) == 1:
            return Compiled(self._word(words[0]))
        if node.is_phrase:
            return Compiled(tantivy.Query.phrase_query(self._schema, "body", [*words]))
        return Compiled(
            tantivy.Query.boolean_query([(tantivy.Occur.Must, self._word(word)) for word in words])
        )

    def _word(self, word: str) -> tantivy.Query:
        return tantivy.Query.term_query(self._schema, "body", word, "position")

    def _term(self, field: str, value: str | bytes | float) -> tantivy.Query:
        return tantivy.Query.term_query(self._schema, field, value, "basic")

    def _compile_equals(self, node: Equals) -> Compiled:
        if node.field == Field.SEVERITY:
            return Compiled(self._severities(_severity_bounds(node.value)))
        if node.field in (Field.TRACE_ID, Field.SPAN_ID):
            try:
                value = bytes.fromhex(node.value.replace("-", ""))
            except ValueError:
                return Compiled(tantivy.Query.empty_query())
            if len(value) != _ID_BYTES[node.field]:
                return Compiled(tantivy.Query.empty_query())
            return Compiled(self._term(node.field, shorten_id(value)), is_exact=False)
        cut = node.value[:LONGEST_VALUE]
        # A longer value is in the index by its beginning alone.
        is_exact = len(node.value) < LONGEST_VALUE
        if node.field in EXACT_FIELDS:
            return Compiled(self._term(node.field, cut), is_exact)
        queries: list[tantivy.Query] = []
        if node.field in self._names.names:
            queries += [self._term(_path(node.field), each) for each in _typed_values(cut)]
        if self._names.has_others:
            rendered = {render_value(each) for each in _typed_values(cut)}
            queries += [self._term("rest", rest_term(node.field, each)) for each in rendered]
        return Compiled(any_of(queries), is_exact)

    def _severities(self, bounds: tuple[int, int]) -> tantivy.Query:
        low, high = bounds
        return tantivy.Query.range_query(
            self._schema,
            "severity",
            tantivy.FieldType.Unsigned,
            lower_bound=max(low, 0),
            upper_bound=max(high, 0),
        )

    def _compile_wildcard(self, node: Wildcard) -> Compiled:
        if node.field == Field.MESSAGE:
            pattern = node.pattern.lower()
            literal = pattern.replace("*", "a").replace("?", "a")
            if split_words(literal) != [literal]:
                # A word never has such a character.
                return Compiled(tantivy.Query.empty_query())
            return Compiled(self._regex("body", wildcard_to_regex(pattern)))
        if node.field in EXACT_FIELDS:
            return Compiled(self._regex(node.field, wildcard_to_regex(node.pattern)))
        return Compiled(self._having(node.field).query, is_exact=False)

    def _regex(self, field: str, pattern: str) -> tantivy.Query:
        return tantivy.Query.regex_query(self._schema, field, pattern)

    def _compile_range(self, node: Range) -> Compiled:
        if node.field == Field.SEVERITY:
            fitting = [number for number in _SEVERITIES if _fits(number, node)]
            if not fitting:
                return Compiled(tantivy.Query.empty_query())
            return Compiled(self._severities((fitting[0], fitting[-1])))
        if node.field in FIELD_NAMES:
            return Compiled(tantivy.Query.empty_query())
        if node.field not in self._names.names or (node.low is None and node.high is None):
            return Compiled(self._having(node.field).query, is_exact=False)
        # A whole bound and a broken one in one range make the library panic.
        parts = [replace(node, high=None), replace(node, low=None)] if _is_mixed(node) else [node]
        return Compiled(all_of([self._index.parse_query(_render_range(each)) for each in parts]))

    def _having(self, field: str) -> Compiled:
        if field == Field.MESSAGE:
            return Compiled(tantivy.Query.all_query(), is_exact=False)
        if field == Field.SEVERITY:
            return Compiled(self._severities((1, 24)))
        if field in EXACT_FIELDS:
            return Compiled(tantivy.Query.exists_query(field))
        if field in FIELD_NAMES:
            return Compiled(tantivy.Query.all_query(), is_exact=False)
        queries: list[tantivy.Query] = []
        if field in self._names.names:
            queries.append(tantivy.Query.exists_query(_path(field), json_subpaths=False))
        if self._names.has_others:
            queries.append(self._term("rest", rest_name(field)))
        return Compiled(any_of(queries))


def _path(name: str) -> str:
    return f"attributes.{name}"


def _typed_values(text: str) -> list[str | int | float | bool]:
    values: list[str | int | float | bool] = [text]
    if text in ("true", "false"):
        values.append(text == "true")
    number = parse_number(text)
    if isinstance(number, int) and -_LARGEST_INTEGER <= number < _LARGEST_INTEGER:
        values.append(number)
    elif number is not None:
        values.append(float(number))
    return values


def _severity_bounds(value: str) -> tuple[int, int]:
    named = severity_range(value)
    if named is not None:
        return named
    number = parse_number(value)
    return (int(number), int(number)) if isinstance(number, int) and number >= 0 else (99, 99)


def _fits(number: int, node: Range) -> bool:
    if node.low is not None and (
        number < node.low or (number == node.low and not node.includes_low)
    ):
        return False
    return node.high is None or number < node.high or (number == node.high and node.includes_high)


def _is_mixed(node: Range) -> bool:
    if node.low is None or node.high is None:
        return False
    return _is_whole(node.low) != _is_whole(node.high)


def _is_whole(bound: float) -> bool:
    return float(bound).is_integer() and abs(bound) < _LARGEST_INTEGER


def _render_range(node: Range) -> str:
    """Return a range in the library's own language: there is no other way to ask a JSON path."""

    def render(bound: float | None) -> str:
        if bound is None:
            return "*"
        if _is_whole(bound):
            return str(int(bound))
        # The library does not read an exponent after a minus.
        return format(Decimal(repr(float(bound))), "f")

    escaped = "".join(
        character if character.isalnum() or character in "_." else f"\\{character}"
        for character in node.field
    )
    opening = "[" if node.includes_low or node.low is None else "{"
    closing = "]" if node.includes_high or node.high is None else "}"
    return f"attributes.{escaped}:{opening}{render(node.low)} TO {render(node.high)}{closing}"
