"""Reads what Loki's log queries begin with: a selector of streams, then filters of lines."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from resumatch_monitor.kit.regex import Regex as CompiledRegex
from resumatch_monitor.kit.regex import RegexError
from resumatch_monitor.logs.fields import Field, resolve_field
from resumatch_monitor.logs.query.dsl import NOTHING, all_of, any_of
from resumatch_monitor.logs.query.lexer import MAX_QUERY_CHARACTERS, QueryError
from resumatch_monitor.logs.query.tree import (
    And,
    Equals,
    Everything,
    Exists,
    Node,
    Not,
    Regex,
    Words,
)
from resumatch_monitor.logs.record import severity_range

MAX_PARTS = 50

_LABEL = re.compile(r"\s*([a-zA-Z_][a-zA-Z0-9_.]{0,199})\s*(=~|!~|!=|=)\s*")
_FILTER = re.compile(r"\s*(\|=|\|~|!=|!~)\s*")
_SEPARATOR = re.compile(r"\s*([,}])")
# https://go.dev/ref/spec#String_literals, as far as people write them.
_TEXT = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`([^`]*)`', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}
_NAMES = {
    "service_name": Field.SERVICE,
    "detected_level": Field.SEVERITY,
    "deployment_environment": Field.ENVIRONMENT,
    "host_name": Field.HOST,
}
# Loki's own habit is to name whoever speaks by one of these.
_SERVICE_LABELS = frozenset({"app", "job", "container", "unit"})


def parse_logql(text: str) -> Node:
    """Return what a query like `{app="web"} |= "refused" != "debug"` asks for.

    Raises:
        QueryError: If it cannot be read, or is a metric query or has other stages.
    """
    if len(text) > MAX_QUERY_CHARACTERS:
        raise QueryError(f"a query has at most {MAX_QUERY_CHARACTERS} characters", 0)
    return _Parser(text).parse()


def label_field(name: str) -> str:
    """Return the field that a label is kept in."""
    return str(_NAMES.get(name) or resolve_field(name))


@dataclass(slots=True)
class _Parser:
    """Walks over the text once."""

    text: str
    at: int = 0
    parts: int = 0

    def parse(self) -> Node:
        """Read all of it."""
        self._skip()
        if self.text[self.at : self.at + 1] != "{":
            raise QueryError("only log queries are understood, which begin with {", self.at)
        self.at += 1
        nodes = self._read_selector()
        while True:
            self._skip()
            if self.at >= len(self.text):
                return all_of(nodes)
            found = _FILTER.match(self.text, self.at)
            if found is None:
                raise QueryError('only |= "…", !=, |~ and !~ are understood here', self.at)
            self.at = found.end()
            nodes.append(self._read(_FILTERS[found[1]]))

    def _read_selector(self) -> list[Node]:
        nodes: list[Node] = []
        self._skip()
        if self.text[self.at : self.at + 1] == "}":
            self.at += 1
            return nodes
        while True:
            found = _LABEL.match(self.text, self.at)
            if found is None:
                raise QueryError('label="value" is expected', self.at)
            self.at = found.end()
            nodes.append(self._read(partial(_match, found[1], found[2])))
            separator = _SEPARATOR.match(self.text, self.at)
            if separator is None:
                raise QueryError("} is missing", self.at)
            self.at = separator.end()
            if separator[1] == "}":
                return nodes

    def _read(self, build: Callable[[str, int], Node]) -> Node:
        at = self.at
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise QueryError(f"a query has at most {MAX_PARTS} parts", at)
        found = _TEXT.match(self.text, at)
        if found is None:
            raise QueryError("a text in quotation marks is expected", at)
        self.at = found.end()
        value = found[2] if found[2] is not None else _unescape(found[1])
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise QueryError("this is half of a character", at)
        return build(value, at)

    def _skip(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1


def _match(name: str, operator: str, value: str, at: int) -> Node:
    fields = [label_field(name)]
    if name in _SERVICE_LABELS:
        fields.append(Field.SERVICE)
    if operator in ("=", "!="):
        # A label that is empty is one that is not there.
        found = any_of([_equals(field, value) for field in fields])
    else:
        pattern = f"^(?:{value})$"
        _check(pattern, at)
        found = any_of([Regex(field, pattern) for field in fields])
        if CompiledRegex(pattern).matches(""):
            absent = all_of([Not(Exists(field)) for field in fields])
            found = any_of([found, absent])
    return Not(found) if operator.startswith("!") else found


def _equals(field: str, value: str) -> Node:
    if not value:
        return Not(Exists(field))
    if field == Field.SEVERITY and severity_range(value) is None:
        return NOTHING
    return Equals(field, value)


def _contains(text: str, _at: int) -> Node:
    """Return that a line has a text, found by the whole words in it before lines are looked at."""
    if not text:
        return Everything()
    exact = Regex(Field.MESSAGE, re.escape(text))
    words = _inner_words(text)
    return And((Words(tuple(words), is_phrase=False), exact)) if words else exact


def _inner_words(text: str) -> list[str]:
    """Return the words of a text that are words of any line which has it."""
    pieces: list[str] = []
    start = -1
    for at, character in enumerate(text):
        if character.isalnum():
            start = at if start < 0 else start
        elif start >= 0:
            # The first and the last may be parts of longer ones.
            if start > 0:
                pieces.append(text[start:at].lower())
            start = -1
    return list(dict.fromkeys(pieces))[:MAX_PARTS]


def _searches(pattern: str, at: int) -> Node:
    _check(pattern, at)
    return Regex(Field.MESSAGE, pattern)


def _check(pattern: str, at: int) -> None:
    try:
        CompiledRegex(pattern)
    except RegexError as error:
        raise QueryError(f"the regular expression cannot be read: {error}", at) from error


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), text)


_FILTERS: dict[str, Callable[[str, int], Node]] = {
    "|=": _contains,
    "!=": lambda text, at: Not(_contains(text, at)),
    "|~": _searches,
    "!~": lambda text, at: Not(_searches(text, at)),
}
