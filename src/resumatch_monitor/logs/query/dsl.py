"""Reads Elasticsearch's query language, as far as dashboards and simple clients write it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from resumatch_monitor.logs.fields import Field, resolve_field
from resumatch_monitor.logs.query.lexer import QueryError
from resumatch_monitor.logs.query.matching import bound_pattern, parse_number, render_value
from resumatch_monitor.logs.query.parser import parse_query
from resumatch_monitor.logs.query.tree import (
    And,
    Equals,
    Everything,
    Exists,
    Node,
    Not,
    Or,
    Range,
    Wildcard,
    Words,
    split_words,
)
from resumatch_monitor.logs.record import severity_range

MAX_DEPTH = 20
MAX_CLAUSES = 300
TIME_FIELDS = frozenset({"@timestamp", "timestamp"})
NOTHING = Not(Everything())

_LONGEST_VALUE = 8_192
_RANGE_OPTIONS = frozenset({"gte", "gt", "lte", "lt", "format", "boost", "relation", "time_zone"})

Json = Mapping[str, Any]


class DslError(ValueError):
    """A request that is not understood; the message names the place."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"[{path}] {reason}")


@dataclass(slots=True)
class DslReader:
    """Makes a tree of a query; what it asks of time is kept apart.

    Attributes:
        parse_time: Returns the milliseconds since the epoch that a text or number means; may
            raise `ValueError`.
        start_ms: The earliest time that is asked for; None without a bound.
        end_ms: The time before which is asked for; None without a bound.
    """

    parse_time: Callable[[Any], int]
    start_ms: int | None = None
    end_ms: int | None = None
    _clauses: int = field(default=0)

    def read(self, query: Any, path: str = "query") -> Node:
        """Return what `query` asks for.

        Raises:
            DslError: If a part is not understood.
        """
        return self._read(query, path, 0, is_needed=True)

    def _read(self, query: Any, path: str, depth: int, *, is_needed: bool) -> Node:
        self._clauses += 1
        if depth > MAX_DEPTH or self._clauses > MAX_CLAUSES:
            raise DslError(
                path, f"a query has at most {MAX_CLAUSES} clauses, {MAX_DEPTH} levels deep"
            )
        kind, body = only_entry(query, path)
        path = f"{path}.{kind}"
        if kind == "bool":
            return self._read_bool(as_object(body, path), path, depth, is_needed=is_needed)
        if kind == "constant_score":
            inner = as_object(body, path).get("filter")
            return self._read(inner, f"{path}.filter", depth + 1, is_needed=is_needed)
        if kind == "range":
            return self._read_range(body, path, is_needed=is_needed)
        read = _LEAVES.get(kind)
        if read is None:
            raise DslError(path, f"unknown query [{kind}]")
        return read(as_object(body, path), path)

    def _read_bool(self, body: Json, path: str, depth: int, *, is_needed: bool) -> Node:
        allow(body, _BOOL_OPTIONS, path)

        def read_all(name: str, *, is_needed: bool) -> list[Node]:
            clauses: Any = body.get(name) or []
            listed = cast("list[Any]", clauses) if isinstance(clauses, list) else [clauses]
            return [
                self._read(each, f"{path}.{name}[{at}]", depth + 1, is_needed=is_needed)
                for at, each in enumerate(listed)
            ]

        nodes = [
            *read_all("must", is_needed=is_needed),
            *read_all("filter", is_needed=is_needed),
        ]
        should = read_all("should", is_needed=False)
        least = body.get("minimum_should_match", 0 if nodes else 1)
        if str(least) not in ("0", "1"):
            raise DslError(f"{path}.minimum_should_match", "only 0 and 1 are understood")
        if should and str(least) == "1":
            nodes.append(any_of(should))
        nodes += [Not(each) for each in read_all("must_not", is_needed=False)]
        return all_of(nodes)

    def _read_range(self, body: Any, path: str, *, is_needed: bool) -> Node:
        name, bounds = only_entry(body, path)
        path = f"{path}.{name}"
        bounds = as_object(bounds, path)
        allow(bounds, _RANGE_OPTIONS, path)
        if name in TIME_FIELDS:
            if not is_needed:
                raise DslError(path, "time is understood only where all must hold, in filter")
            self._narrow(bounds, path)
            return Everything()
        low, includes_low = _read_bound(bounds, "gte", "gt", path, name)
        high, includes_high = _read_bound(bounds, "lte", "lt", path, name)
        return Range(
            resolve_name(name),
            low=low,
            high=high,
            includes_low=includes_low,
            includes_high=includes_high,
        )

    def _narrow(self, bounds: Json, path: str) -> None:
        for option, shift, is_start in (
            ("gte", 0, True), ("gt", 1, True), ("lte", 1, False), ("lt", 0, False),
        ):  # fmt: skip
            value = bounds.get(option)
            if value is None:
                continue
            try:
                moment = self.parse_time(value) + shift
            except ValueError as error:
                raise DslError(f"{path}.{option}", str(error)) from error
            if is_start:
                self.start_ms = moment if self.start_ms is None else max(self.start_ms, moment)
            else:
                self.end_ms = moment if self.end_ms is None else min(self.end_ms, moment)


def only_entry(value: Any, path: str) -> tuple[str, Any]:
    """Return the one name and value of an object.

    Raises:
        DslError: If it is no such object.
    """
    entries = as_object(value, path)
    if len(entries) != 1:
        raise DslError(path, f"an object with one name is expected, it has {len(entries)}")
    return next(iter(entries.items()))


def as_object(value: Any, path: str) -> Json:
    """Return `value`, an object.

    Raises:
        DslError: If it is none.
    """
    if not isinstance(value, dict):
        raise DslError(path, "an object is expected")
    return cast("Json", value)


def allow(body: Json, names: frozenset[str], path: str) -> None:
    """Refuse options that are not understood.

    Raises:
        DslError: If there is one.
    """
    for name in body:
        if name not in names:
            raise DslError(f"{path}.{name[:100]}", "this is not understood here")


def resolve_name(name: str) -> str:
    """Return the field that a name stands for; `.keyword` is the same field."""
    return str(resolve_field(name.removesuffix(".keyword")))


def all_of(nodes: Sequence[Node]) -> Node:
    """Return what holds if all of `nodes` do."""
    needed = [node for node in nodes if not isinstance(node, Everything)]
    if len(needed) > 1:
        return And(tuple(needed))
    return needed[0] if needed else Everything()


def any_of(nodes: Sequence[Node]) -> Node:
    """Return what holds if one of `nodes` does."""
    return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))


def equals(name: str, value: Any, path: str) -> Node:
    """Return that a field has a value.

    Raises:
        DslError: If the value is no text, number or boolean, or too long.
    """
    text = _as_text(value, path)
    resolved = resolve_name(name)
    if resolved == Field.MESSAGE:
        return _words(text, is_phrase=True)
    if resolved == Field.SEVERITY and severity_range(text) is None:
        number = parse_number(text)
        is_one = isinstance(number, int) and 0 <= number <= 24
        return Equals(resolved, str(number)) if is_one else NOTHING
    return Equals(resolved, text)


def _as_text(value: Any, path: str) -> str:
    if not isinstance(value, str | int | float):
        raise DslError(path, "a text, a number or a boolean is expected")
    text = render_value(value)
    if len(text) > _LONGEST_VALUE or not _is_unicode(text):
        raise DslError(path, f"a value has at most {_LONGEST_VALUE} characters of Unicode")
    return text


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _words(text: str, *, is_phrase: bool, is_any: bool = False) -> Node:
    words = split_words(text)
    if not words:
        return NOTHING
    if is_any and len(words) > 1:
        return Or(tuple(Words((word,)) for word in words[:MAX_CLAUSES]))
    return Words(tuple(words), is_phrase=is_phrase)


def _read_bound(
    bounds: Json, inclusive: str, exclusive: str, path: str, name: str
) -> tuple[float | None, bool]:
    option = exclusive if bounds.get(exclusive) is not None else inclusive
    value = bounds.get(option)
    if value is None:
        return None, True
    if resolve_name(name) == Field.SEVERITY and isinstance(value, str):
        named = severity_range(value)
        if named is not None:
            return named[0] if option in ("gte", "lt") else named[1], option == inclusive
    number = parse_number(_as_text(value, f"{path}.{option}"))
    if number is None or isinstance(value, bool):
        raise DslError(f"{path}.{option}", "a number is expected")
    return number, option == inclusive


def _read_match_all(body: Json, path: str) -> Node:
    allow(body, frozenset({"boost"}), path)
    return Everything()


def _read_match_none(body: Json, path: str) -> Node:
    allow(body, frozenset({"boost"}), path)
    return NOTHING


def _read_exists(body: Json, path: str) -> Node:
    allow(body, frozenset({"field", "boost"}), path)
    name = body.get("field")
    if not isinstance(name, str) or not name or not _is_unicode(name):
        raise DslError(f"{path}.field", "the name of a field is expected")
    return Everything() if name in TIME_FIELDS else Exists(resolve_name(name))


def _unfold(body: Json, path: str, names: tuple[str, ...]) -> tuple[str, Any, Json]:
    """Return the field, the value and the options of `{field: value or {name: value, …}}`."""
    field_name, value = only_entry(body, path)
    if not _is_unicode(field_name):
        raise DslError(path, "the name of a field is expected")
    if field_name in TIME_FIELDS:
        raise DslError(f"{path}.{field_name}", "time is asked for by range")
    if not isinstance(value, dict):
        return field_name, value, {}
    options = cast("Json", value)
    allow(options, _LEAF_OPTIONS, f"{path}.{field_name}")
    found = next((options[name] for name in names if name in options), None)
    return field_name, found, options


def _read_term(body: Json, path: str) -> Node:
    name, value, _ = _unfold(body, path, ("value",))
    return equals(name, value, f"{path}.{name}")


def _read_terms(body: Json, path: str) -> Node:
    name, values = only_entry({k: v for k, v in body.items() if k != "boost"}, path)
    if not isinstance(values, list) or len(cast("list[Any]", values)) > MAX_CLAUSES:
        raise DslError(f"{path}.{name}", f"a list of at most {MAX_CLAUSES} values is expected")
    nodes = [
        equals(name, each, f"{path}.{name}[{at}]")
        for at, each in enumerate(cast("list[Any]", values))
    ]
    return any_of(nodes) if nodes else NOTHING


def _read_match(body: Json, path: str) -> Node:
    name, value, options = _unfold(body, path, ("query",))
    if resolve_name(name) != Field.MESSAGE:
        return equals(name, value, f"{path}.{name}")
    is_any = str(options.get("operator", "or")).lower() != "and"
    return _words(_as_text(value, f"{path}.{name}"), is_phrase=False, is_any=is_any)


def _read_match_phrase(body: Json, path: str) -> Node:
    name, value, _ = _unfold(body, path, ("query",))
    return equals(name, value, f"{path}.{name}")


def _read_wildcard(body: Json, path: str) -> Node:
    name, value, _ = _unfold(body, path, ("value", "wildcard"))
    return _pattern(name, _as_text(value, f"{path}.{name}"), f"{path}.{name}")


def _read_prefix(body: Json, path: str) -> Node:
    name, value, _ = _unfold(body, path, ("value", "prefix"))
    return _pattern(name, f"{_as_text(value, f'{path}.{name}')}*", f"{path}.{name}")


def _pattern(name: str, pattern: str, path: str) -> Node:
    try:
        return Wildcard(resolve_name(name), bound_pattern(pattern))
    except ValueError as error:
        raise DslError(path, str(error)) from error


def _read_query_string(body: Json, path: str) -> Node:
    allow(body, _QUERY_STRING_OPTIONS, path)
    text = body.get("query")
    if not isinstance(text, str):
        raise DslError(f"{path}.query", "a text is expected")
    try:
        return parse_query(text)
    except QueryError as error:
        reason = f"the query cannot be read at character {error.position + 1}: {error}"
        raise DslError(f"{path}.query", reason) from error


_BOOL_OPTIONS = frozenset(
    {"must", "filter", "should", "must_not", "minimum_should_match", "boost", "_name"}
)
_LEAF_OPTIONS = frozenset(
    {"value", "query", "wildcard", "prefix", "operator", "boost", "rewrite", "lenient", "_name"}
)
_QUERY_STRING_OPTIONS = frozenset(
    {
        "query", "analyze_wildcard", "default_field", "default_operator", "fields", "lenient",
        "time_zone", "allow_leading_wildcard", "boost", "analyzer",
    }
)  # fmt: skip
_LEAVES: dict[str, Callable[[Json, str], Node]] = {
    "match_all": _read_match_all,
    "match_none": _read_match_none,
    "exists": _read_exists,
    "term": _read_term,
    "terms": _read_terms,
    "match": _read_match,
    "match_phrase": _read_match_phrase,
    "wildcard": _read_wildcard,
    "prefix": _read_prefix,
    "query_string": _read_query_string,
}
