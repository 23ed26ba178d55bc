"""Decides whether one event is what a search is for."""

from collections.abc import Callable, Sequence

from resumatch_monitor.errortracking.prepare import hash_user
from resumatch_monitor.errortracking.search.fields import get_field
from resumatch_monitor.errortracking.search.query import (
    And,
    Filter,
    Has,
    Node,
    Not,
    Operator,
    Or,
    Pattern,
    Text,
)
from resumatch_monitor.errortracking.search.values import parse_flag, parse_number
from resumatch_monitor.errortracking.store import DigestedEvent

USER_KEYS = {
    "user.id": "id",
    "user.username": "username",
    "user.email": "email",
    "user.ip": "ip_address",
}
"""The field of a user that each of these asks for."""


def matches(node: Node, event: DigestedEvent) -> bool:
    """Return whether `event` is among those that a query of `parse_event_filter` is for.

    `release:latest` is every release here: one event does not tell which is the latest.
    """
    match node:
        case And(nodes):
            return all(matches(each, event) for each in nodes)
        case Or(nodes):
            return any(matches(each, event) for each in nodes)
        case Not(inner):
            return not matches(inner, event)
        case Text(pattern):
            return contains(_text_of(event), pattern)
        case Has(key):
            return _has(key.name, event, is_tag=key.is_tag)
        case Filter():
            return _passes(node, event)


def contains(text: str, pattern: Pattern) -> bool:
    """Return whether the pattern is somewhere in `text`, whatever the case of its letters."""
    parts = (part.lower() for part in pattern.parts)
    return fits_exactly(text.lower(), Pattern(("", *parts, "")))


def fits(text: str, pattern: Pattern) -> bool:
    """Return whether the pattern is all of `text`, whatever the case of its letters."""
    return fits_exactly(fold(text), Pattern(tuple(fold(part) for part in pattern.parts)))


def fits_exactly(text: str, pattern: Pattern) -> bool:
    """Return whether the pattern is all of a text, letter by letter."""
    parts = pattern.parts
    if len(parts) == 1:
        return text == parts[0]
    if not text.startswith(parts[0]):
        return False
    position = len(parts[0])
    for part in parts[1:-1]:
        found = text.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return len(text) - position >= len(parts[-1]) and text.endswith(parts[-1])


def fold(text: str) -> str:
    """Return `text` with the letters a to z small, as the database compares."""
    return "".join(chr(ord(each) + 32) if "A" <= each <= "Z" else each for each in text)


def _text_of(event: DigestedEvent) -> str:
    return "\n".join((event.type, event.value, event.culprit, event.message))


def _passes(node: Filter, event: DigestedEvent) -> bool:
    if node.key.is_tag:
        return _any_value(_tag_values(event, (node.key.name,)), node)
    if node.key.name in ("error.handled", "error.unhandled"):
        return _is_handled(node, event)
    if node.key.name in USER_KEYS:
        wanted = USER_KEYS[node.key.name]
        return event.user_hash is not None and any(
            hash_user(event.project_id, {wanted: value.text}) == event.user_hash
            for value in node.values
        )
    if node.key.name == "message":
        return any(contains(_text_of(event), value) for value in node.values)
    field = get_field(node.key.name)
    if field.tags:
        return _any_value(_tag_values(event, field.tags), node)
    return _any_value(_READERS[field.name](event), node)


def _any_value(found: Sequence[str], node: Filter) -> bool:
    if node.operator is not Operator.EQUAL:
        return any(_compares(value, node) for value in found)
    if node.key.name == "release" and any(value.text == "latest" for value in node.values):
        return bool(found)
    # Tags and releases are found by an index, which tells large letters from small ones.
    is_exact = node.key.is_tag or node.key.name == "release" or get_field(node.key.name).tags
    compare = fits_exactly if is_exact else fits
    return any(compare(value, pattern) for value in found for pattern in node.values)


def _compares(value: str, node: Filter) -> bool:
    number, wanted = parse_number(value), parse_number(node.values[0].text)
    if number is None or wanted is None or not value[-1:].isdigit():
        return False
    match node.operator:
        case Operator.GREATER:
            return number > wanted
        case Operator.GREATER_OR_EQUAL:
            return number >= wanted
        case Operator.LESS:
            return number < wanted
        case _:
            return number <= wanted


def _is_handled(node: Filter, event: DigestedEvent) -> bool:
    # An event that does not say was handled: nothing crashed.
    is_handled = event.is_handled is not False
    wanted = {parse_flag(value.text) for value in node.values}
    return (is_handled if node.key.name == "error.handled" else not is_handled) in wanted


def _has(name: str, event: DigestedEvent, *, is_tag: bool) -> bool:
    if is_tag:
        return (name == "user" and event.user_hash is not None) or bool(_tag_values(event, (name,)))
    if name in USER_KEYS:
        return event.user_hash is not None
    if name in ("error.handled", "error.unhandled"):
        return event.is_handled is not None
    field = get_field(name)
    found = _tag_values(event, field.tags) if field.tags else _READERS[name](event)
    return any(found)


def _tag_values(event: DigestedEvent, keys: Sequence[str]) -> Sequence[str]:
    return [value for key, value in event.tags if key in keys]


def _title(event: DigestedEvent) -> str:
    return f"{event.type}: {event.value}" if event.type and event.value else event.type


_READERS: dict[str, Callable[[DigestedEvent], Sequence[str]]] = {
    "project": lambda event: (event.project_slug, str(event.project_id)),
    "release": lambda event: (event.release,) if event.release else (),
    "platform": lambda event: (event.platform,),
    "error.type": lambda event: (event.type,),
    "error.value": lambda event: (event.value,),
    "title": lambda event: (_title(event) or event.value,),
    "culprit": lambda event: (event.culprit,),
}
