"""Reads a search: Sentry's syntax, bounded, with errors that point at the character."""

from datetime import UTC, datetime
from typing import NoReturn

from resumatch_monitor.errortracking.search.fields import (
    Field,
    Kind,
    explain_unsupported,
    field_names,
    find_field,
)
from resumatch_monitor.errortracking.search.query import (
    And,
    Filter,
    Has,
    Key,
    Node,
    Not,
    Operator,
    Or,
    Pattern,
    QuerySyntaxError,
    Text,
    leaves,
)
from resumatch_monitor.errortracking.search.scanner import Scanner
from resumatch_monitor.errortracking.search.values import (
    parse_flag,
    parse_interval,
    parse_number,
)

LONGEST_QUERY = 1_000
_TERMS_MAX = 50
_VALUES_MAX = 100
_DEPTH_MAX = 10
_WILDCARDS_MAX = 20
# Times are only checked here; what they mean depends on when the query is answered.
_SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)


def parse_query(text: str) -> Node | None:
    """Return what `text` says; None if it says nothing.

    Raises:
        QuerySyntaxError: If it cannot be read, or asks for too much.
    """
    if len(text) > LONGEST_QUERY:
        raise QuerySyntaxError(
            f"A query has at most {LONGEST_QUERY:,} characters.", LONGEST_QUERY, ()
        )
    if "\x00" in text:
        raise QuerySyntaxError("No text has this character.", text.index("\x00"))
    scanner = Scanner(text)
    scanner.skip_space()
    if scanner.is_at_end:
        return None
    return _Parser(scanner).parse()


def parse_event_filter(text: str) -> Node | None:
    """Return the same for a query that one event alone can be held against.

    Raises:
        QuerySyntaxError: If it cannot be read, or asks what only an issue can tell.
    """
    node = parse_query(text)
    for leaf in leaves(node) if node is not None else ():
        if isinstance(leaf, Text) or leaf.key.is_tag:
            continue
        field = find_field(leaf.key.name)
        if field is not None and not field.is_of_event:
            raise QuerySyntaxError(
                f"{field.name}: is about issues, and this is about single events.",
                leaf.position,
            )
    return node


class _Parser:
    """Reads one query by descent; each method leaves the scanner behind what it read."""

    def __init__(self, scanner: Scanner) -> None:
        self._scanner = scanner
        self._depth = 0
        self._terms = 0
        self._values = 0
        self._wildcards = 0

    def parse(self) -> Node:
        node = self._any_of()
        if not self._scanner.is_at_end:
            self._fail("This closes no group.", expected=("the end", "AND", "OR"))
        return node

    def _any_of(self) -> Node:
        nodes = [self._all_of()]
        while self._scanner.take_word("OR"):
            nodes.append(self._all_of())
        return _join_or(nodes)

    def _all_of(self) -> Node:
        nodes = [self._term()]
        while True:
            if self._scanner.take_word("AND"):
                nodes.append(self._term())
            elif self._ends_here():
                return _join_and(nodes)
            else:
                nodes.append(self._term())

    def _ends_here(self) -> bool:
        scanner = self._scanner
        scanner.skip_space()
        return scanner.is_at_end or scanner.peek() == ")" or scanner.sees_word("OR")

    def _term(self) -> Node:
        scanner = self._scanner
        scanner.skip_space()
        if scanner.is_at_end or scanner.sees_word("AND") or scanner.sees_word("OR"):
            self._fail("Something to search for is missing.", expected=("key:value", "text", "("))
        if scanner.peek() == ")":
            self._fail("This group has nothing in it.", expected=("key:value", "text", "("))
        if scanner.peek() == "!":
            return self._negation()
        return self._group() if scanner.peek() == "(" else self._leaf()

    def _negation(self) -> Node:
        self._scanner.advance()
        if self._scanner.is_at_end or self._scanner.peek().isspace():
            self._fail("There is nothing after the !.", expected=("key:value", "text", "("))
        with_depth = self._enter()
        inner = self._term()
        self._depth = with_depth
        return inner.node if isinstance(inner, Not) else Not(inner)

    def _group(self) -> Node:
        opened = self._scanner.position
        self._scanner.advance()
        with_depth = self._enter()
        node = self._any_of()
        self._depth = with_depth
        if self._scanner.is_at_end:
            raise QuerySyntaxError("This group is never closed.", opened, (")",))
        self._scanner.advance()
        return node

    def _enter(self) -> int:
        before = self._depth
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            self._fail(f"Groups go at most {_DEPTH_MAX} deep.")
        return before

    def _leaf(self) -> Node:
        scanner = self._scanner
        start = scanner.position
        self._terms += 1
        if self._terms > _TERMS_MAX:
            self._fail(f"A query has at most {_TERMS_MAX} conditions.")
        key = scanner.take_key()
        if key is None:
            return Text(self._pattern(scanner.take_text()))
        name, is_tag = key
        field = None if is_tag else find_field(name)
        if not is_tag and field is None and name.lower() != "has" and scanner.is_no_value():
            # `TypeError: x`, `http://…` and `std::move`, pasted as they are.
            scanner.position = start
            return Text(self._pattern(scanner.take_text()))
        if not is_tag and name.lower() == "has":
            return self._has(start)
        reason = None if is_tag else explain_unsupported(name)
        if reason is not None:
            raise QuerySyntaxError(f"{name}: cannot be searched: {reason}.", start)
        node = self._filter(Key(field.name if field else name, field is None), start)
        if field is not None:
            _check(field, node)
        elif node.operator is not Operator.EQUAL:
            _check_numbers(node)
        return node

    def _has(self, start: int) -> Has:
        scanner = self._scanner
        at = scanner.position
        name, is_tag = scanner.take_name()
        if not name:
            self._fail("has: wants a key.", expected=("a tag's name", "user", "release"))
        field = None if is_tag else find_field(name)
        if field is not None and field.name in ("is", "message", "title", "issue", "project"):
            raise QuerySyntaxError("Every issue has that.", at)
        return Has(Key(field.name if field else name, field is None), start)

    def _filter(self, key: Key, start: int) -> Filter:
        scanner = self._scanner
        operator = scanner.take_operator()
        if scanner.is_at_end or scanner.peek().isspace() or scanner.peek() == ")":
            self._fail(f"{key.name}: wants a value.", expected=_expected(key))
        if scanner.peek() != "[":
            value = self._pattern(scanner.take_value())
            return Filter(key, operator, (value,), position=start)
        if operator is not Operator.EQUAL:
            self._fail("A list is not compared with < or >.", expected=("one value",))
        return Filter(key, operator, self._list(), is_list=True, position=start)

    def _list(self) -> tuple[Pattern, ...]:
        scanner = self._scanner
        opened = scanner.position
        values: list[Pattern] = []
        while True:
            scanner.advance()
            scanner.skip_space()
            if not scanner.is_at_end and scanner.peek() in ",]":
                self._fail("A value is missing.", expected=("a value",))
            if not scanner.is_at_end:
                values.append(self._pattern(scanner.take_item()))
                scanner.skip_space()
            if scanner.is_at_end:
                raise QuerySyntaxError("This list is never closed.", opened, ("]",))
            if scanner.peek() == "]":
                scanner.advance()
                return tuple(values)
            if scanner.peek() != ",":
                self._fail("This does not go on with the list.", expected=(",", "]"))

    def _pattern(self, pattern: Pattern) -> Pattern:
        self._values += 1
        self._wildcards += len(pattern.parts) - 1
        if self._values > _VALUES_MAX:
            raise QuerySyntaxError(
                f"A query has at most {_VALUES_MAX} values.", pattern.position, ()
            )
        if self._wildcards > _WILDCARDS_MAX:
            raise QuerySyntaxError(
                f"A query has at most {_WILDCARDS_MAX} wildcards.", pattern.position, ()
            )
        return pattern

    def _fail(self, message: str, *, expected: tuple[str, ...] = ()) -> NoReturn:
        raise QuerySyntaxError(message, self._scanner.position, expected)


def _join_and(nodes: list[Node]) -> Node:
    flat: list[Node] = []
    for node in nodes:
        flat.extend(node.nodes if isinstance(node, And) else (node,))
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def _join_or(nodes: list[Node]) -> Node:
    flat: list[Node] = []
    for node in nodes:
        flat.extend(node.nodes if isinstance(node, Or) else (node,))
    return flat[0] if len(flat) == 1 else Or(tuple(flat))


def _expected(key: Key) -> tuple[str, ...]:
    field = None if key.is_tag else find_field(key.name)
    return (field.choices if field is not None else ()) or ("a value",)


def _check(field: Field, node: Filter) -> None:
    """Refuse values that the field cannot have."""
    for value in node.values:
        _check_value(field, node.operator, value)


def _check_value(field: Field, operator: Operator, value: Pattern) -> None:
    match field.kind:
        case Kind.NUMBER:
            if value.has_wildcards or parse_number(value.text) is None:
                raise QuerySyntaxError(
                    f"{field.name}: wants a number.", value.position, ("100", ">100", "<=5k")
                )
        case Kind.TIME:
            if value.has_wildcards or parse_interval(value.text, operator, _SOME_TIME) is None:
                raise QuerySyntaxError(
                    f"{field.name}: wants a time.",
                    value.position,
                    ("-24h", "+14d", ">2026-01-31", "<2026-01-31T12:00:00Z"),
                )
        case Kind.CHOICE | Kind.FLAG | Kind.TEXT:
            _check_word(field, operator, value)


def _check_word(field: Field, operator: Operator, value: Pattern) -> None:
    if operator is not Operator.EQUAL and field.name != "http.status":
        raise QuerySyntaxError(
            f"{field.name}: is not compared with < or >.", value.position, _expected_words(field)
        )
    if operator is not Operator.EQUAL and parse_number(value.text) is None:
        raise QuerySyntaxError("Only numbers are compared.", value.position, ("a number",))
    if field.name.startswith("user.") and value.has_wildcards:
        # No address and no id is kept in a form that could be compared in part.
        raise QuerySyntaxError(
            f"{field.name}: takes no wildcards.", value.position, ("the whole value",)
        )
    is_wrong = (field.kind is Kind.FLAG and parse_flag(value.text) is None) or (
        field.kind is Kind.CHOICE
        and (value.has_wildcards or value.text.lower() not in (*field.choices, "muted"))
    )
    if is_wrong:
        raise QuerySyntaxError(
            f"{field.name}: is never {value.text!r}.", value.position, _expected_words(field)
        )
    if not value.text:
        raise QuerySyntaxError(f"{field.name}: wants a value.", value.position, ("a value",))


def _expected_words(field: Field) -> tuple[str, ...]:
    return field.choices or ("a value",)


def _check_numbers(node: Filter) -> None:
    for value in node.values:
        if value.has_wildcards or parse_number(value.text) is None:
            raise QuerySyntaxError(
                "Only numbers are compared; quote the value if it begins with < or >.",
                value.position,
                ("a number",),
            )


KEYS = ("has", *field_names())
"""What can stand before a colon, beside tags."""
