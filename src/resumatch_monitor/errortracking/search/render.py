"""Writes a search back, so that reading it gives the same tree."""

import re

from resumatch_monitor.errortracking.search.fields import explain_unsupported, find_field
from resumatch_monitor.errortracking.search.query import (
    And,
    Filter,
    Has,
    Key,
    Node,
    Not,
    Or,
    Pattern,
    Text,
)

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_PLAIN_VALUE = re.compile(r"[\w@./+*%#&-][\w@./+*%#&:-]*")
_PLAIN_TEXT = re.compile(r"[\w@./+*%#&-]+")
_WORDS = ("AND", "OR")


def render_query(node: Node) -> str:
    """Return the query's text."""
    match node:
        case Text(pattern):
            return _render_text(pattern)
        case Has(key):
            return f"has:{_render_key(key)}"
        case Filter():
            return _render_filter(node)
        case Not(inner):
            rendered = render_query(inner)
            return f"!({rendered})" if isinstance(inner, And | Or) else f"!{rendered}"
        case And(nodes):
            return " ".join(
                f"({render_query(each)})" if isinstance(each, And | Or) else render_query(each)
                for each in nodes
            )
        case Or(nodes):
            return " OR ".join(
                f"({render_query(each)})" if isinstance(each, Or) else render_query(each)
                for each in nodes
            )


def _render_filter(node: Filter) -> str:
    values = ", ".join(_render_value(value) for value in node.values)
    listed = f"[{values}]" if node.is_list else values
    return f"{_render_key(node.key)}:{node.operator.value}{listed}"


def _render_key(key: Key) -> str:
    is_plain = (
        _PLAIN_KEY.fullmatch(key.name)
        and key.name.lower() != "has"
        and find_field(key.name) is None
        and explain_unsupported(key.name) is None
    )
    return f"tags[{key.name}]" if key.is_tag and not is_plain else key.name


def _render_value(pattern: Pattern) -> str:
    return _quote(pattern, is_plain=_is_plain(pattern, _PLAIN_VALUE))


def _render_text(pattern: Pattern) -> str:
    return _quote(pattern, is_plain=_is_plain(pattern, _PLAIN_TEXT) and pattern.text not in _WORDS)


def _is_plain(pattern: Pattern, plain: re.Pattern[str]) -> bool:
    # A tag's value that begins with two slashes would make the whole a word.
    return bool(plain.fullmatch(pattern.text)) and not pattern.text.startswith("//")


def _quote(pattern: Pattern, *, is_plain: bool) -> str:
    escaped = "*".join(
        part.replace("\\", "\\\\").replace('"', '\\"').replace("*", "\\*") for part in pattern.parts
    )
    return escaped if is_plain and "\\" not in escaped else f'"{escaped}"'
