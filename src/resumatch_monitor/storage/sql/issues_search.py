"""A search as a condition on the table of issues."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Float,
    Select,
    and_,
    cast,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)

from resumatch_monitor.errortracking.issues import IssueStatus
from resumatch_monitor.errortracking.prepare import hash_user
from resumatch_monitor.errortracking.search.fields import Kind, get_field
from resumatch_monitor.errortracking.search.predicate import USER_KEYS, fits
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
    Text,
)
from resumatch_monitor.errortracking.search.values import (
    parse_flag,
    parse_interval,
    parse_number,
)
from resumatch_monitor.storage.sql.tables.errors import (
    ISSUE_RELEASES,
    ISSUE_TAG_KEYS,
    ISSUE_TAGS,
    ISSUE_USERS,
    ISSUES,
)

Condition: TypeAlias = ColumnElement[bool]

_ASSIGNEE: ColumnElement[Any] = func.coalesce(ISSUES.c.assignee, "")
_IS_ESCALATING: ColumnElement[Any] = ISSUES.c.is_escalating

_NEW_FOR = timedelta(days=7)
_NUMBER = r"[0-9]*"
_NOT_NUMBER = r"*[^0-9.]*"


@dataclass(frozen=True, slots=True)
class SearchContext:
    """What a search means at the moment when it is answered.

    Attributes:
        slugs: The projects that have sent, by number.
        latest: The latest release of each project that has any.
        me: Who asks.
    """

    now: datetime
    slugs: Mapping[int, str] = field(default_factory=dict[int, str])
    latest: Mapping[int, str] = field(default_factory=dict[int, str])
    me: str = ""


def compile_node(node: Node, context: SearchContext) -> Condition:
    """Return the condition under which a row of `issues` is found; it is never NULL."""
    match node:
        case And(nodes):
            return and_(*(compile_node(each, context) for each in nodes))
        case Or(nodes):
            return or_(*(compile_node(each, context) for each in nodes))
        case Not(inner):
            return not_(compile_node(inner, context))
        case Text(pattern):
            return text_condition(pattern)
        case Has(key):
            return _has(key)
        case Filter():
            return _filter(node, context)


def text_condition(pattern: Pattern) -> Condition:
    """Return the condition that the text people search in has the pattern somewhere."""
    # That text has small letters only; what else there is, LIKE takes for the same.
    parts = (part.lower() for part in pattern.parts)
    return _like(ISSUES.c.search_text, Pattern(("", *parts, "")))


def tag_condition(node: Filter) -> Condition:
    """Return the condition on a row of `issue_tags` that a filter is for."""
    keys = [node.key.name] if node.key.is_tag else list(get_field(node.key.name).tags)
    key = ISSUE_TAGS.c.key.in_(keys) if len(keys) > 1 else ISSUE_TAGS.c.key == keys[0]
    if node.operator is Operator.EQUAL:
        return and_(key, exact_condition(ISSUE_TAGS.c.value, node.values))
    digits = func.ltrim(ISSUE_TAGS.c.value, "-")
    return and_(
        key,
        digits.op("GLOB")(_NUMBER),
        not_(digits.op("GLOB")(_NOT_NUMBER)),
        _compare(cast(ISSUE_TAGS.c.value, Float), node.operator, _number(node.values[0])),
    )


def exact_condition(column: ColumnElement[str], values: tuple[Pattern, ...]) -> Condition:
    """Return the condition that one of the patterns is all of the column, letter by letter."""
    plain = [value.text for value in values if not value.has_wildcards]
    globs = [column.op("GLOB")(_glob(value)) for value in values if value.has_wildcards]
    if not plain:
        return or_(*globs)
    equal = column == plain[0] if len(plain) == 1 else column.in_(plain)
    return or_(equal, *globs) if globs else equal


def has_tag(node: Filter) -> bool:
    """Return whether a filter is about tags."""
    return node.key.is_tag or bool(get_field(node.key.name).tags)


def release_condition(node: Filter, context: SearchContext) -> Condition:
    """Return the condition on a row of `issue_releases` that a filter is for."""
    return exact_condition(ISSUE_RELEASES.c.version, _named_releases(node, context))


def _filter(node: Filter, context: SearchContext) -> Condition:
    if has_tag(node):
        return _any_row(ISSUE_TAGS, tag_condition(node))
    found = get_field(node.key.name)
    match found.kind:
        case Kind.NUMBER:
            column = ISSUES.c.event_count if found.name == "timesSeen" else ISSUES.c.user_count
            return or_(*(_compare(column, node.operator, _number(each)) for each in node.values))
        case Kind.TIME:
            column = ISSUES.c.last_seen_at if found.name == "lastSeen" else ISSUES.c.first_seen_at
            return or_(*(_within(column, node.operator, each, context) for each in node.values))
        case Kind.FLAG:
            return _is_handled(node)
        case _:
            return _word(node, context)


def _word(node: Filter, context: SearchContext) -> Condition:
    match node.key.name:
        case "is":
            return or_(*(_state(each.text.lower(), context) for each in node.values))
        case "assigned":
            return or_(*(_assigned(each, context) for each in node.values))
        case "project":
            return ISSUES.c.project_id.in_(find_projects(node, context))
        case "issue":
            return or_(*(_short_id(each) for each in node.values))
        case "release":
            return _any_row(ISSUE_RELEASES, release_condition(node, context))
        case "firstRelease" | "lastRelease":
            column = (
                ISSUES.c.first_release if node.key.name == "firstRelease" else ISSUES.c.last_release
            )
            return exact_condition(func.coalesce(column, ""), _named_releases(node, context))
        case "message":
            return or_(*(text_condition(each) for each in node.values))
        case name if name in USER_KEYS:
            return _any_row(ISSUE_USERS, ISSUE_USERS.c.user_hash.in_(_hashes(node, context)))
        case name:
            return or_(*(_like(_COLUMNS[name], each) for each in node.values))


_TITLE = func.iif(
    and_(ISSUES.c.type != "", ISSUES.c.value != ""),
    ISSUES.c.type + ": " + ISSUES.c.value,
    ISSUES.c.type + ISSUES.c.value,
)
_COLUMNS: dict[str, Any] = {
    "platform": ISSUES.c.platform,
    "error.type": ISSUES.c.type,
    "error.value": ISSUES.c.value,
    "title": _TITLE,
    "culprit": ISSUES.c.culprit,
}


def _any_row(table: Any, condition: Condition) -> Condition:
    return exists(select(literal(1)).where(table.c.issue_id == ISSUES.c.id, condition))


def _state(name: str, context: SearchContext) -> Condition:
    is_open = ISSUES.c.status == IssueStatus.UNRESOLVED.value
    is_young = ISSUES.c.first_seen_at >= context.now - _NEW_FOR
    unassigned = _ASSIGNEE == ""
    match name:
        case "unresolved" | "resolved" | "ignored":
            return ISSUES.c.status == name
        case "archived" | "muted":
            return ISSUES.c.status == IssueStatus.IGNORED.value
        case "regressed":
            return ISSUES.c.is_regressed.is_(True)
        case "escalating":
            return _IS_ESCALATING.is_(True)
        case "new":
            return and_(is_open, is_young, ISSUES.c.is_regressed.is_(False))
        case "ongoing":
            return and_(is_open, not_(is_young), ISSUES.c.is_regressed.is_(False))
        case "for_review":
            return and_(is_open, unassigned, or_(is_young, ISSUES.c.is_regressed.is_(True)))
        case "assigned":
            return not_(unassigned)
        case "unassigned":
            return unassigned
        case _:
            return func.coalesce(ISSUES.c.is_handled, literal(True)).is_(False)


def _assigned(value: Pattern, context: SearchContext) -> Condition:
    match value.text:
        case "none":
            return _ASSIGNEE == ""
        case "me":
            return _ASSIGNEE.in_([context.me] if context.me else [])
        case _:
            return and_(_ASSIGNEE != "", _like(_ASSIGNEE, value))


def find_projects(node: Filter, context: SearchContext) -> list[int]:
    """Return the numbers of the projects that a filter names."""
    return [
        number
        for number, slug in context.slugs.items()
        if any(_names(value, number, slug) for value in node.values)
    ]


def _names(value: Pattern, number: int, slug: str) -> bool:
    return any(fits(text, value) for text in (slug, str(number)))


def _short_id(value: Pattern) -> Condition:
    if value.text.isascii() and value.text.isdigit() and len(value.text) <= 18:
        return ISSUES.c.id == int(value.text)
    lines = ISSUES.c.search_text + "\n"
    lowered = [part.lower() for part in value.parts]
    parts = ("\n" + lowered[0], *lowered[1:])
    return _like(lines, Pattern(("", *parts[:-1], parts[-1] + "\n", "")))


def _hashes(node: Filter, context: SearchContext) -> list[bytes]:
    key = USER_KEYS[node.key.name]
    found = (
        hash_user(number, {key: value.text}) for number in context.slugs for value in node.values
    )
    return [each for each in found if each is not None]


def _named_releases(node: Filter, context: SearchContext) -> tuple[Pattern, ...]:
    values = tuple(value for value in node.values if value.text != "latest")
    if len(values) < len(node.values):
        values += tuple(Pattern((version,)) for version in set(context.latest.values()))
    return values or (Pattern(("\x00",)),)


def _is_handled(node: Filter) -> Condition:
    is_handled = func.coalesce(ISSUES.c.is_handled, literal(True))
    wanted = {parse_flag(value.text) == (node.key.name == "error.handled") for value in node.values}
    return or_(*(is_handled.is_(each) for each in wanted))


def _has(key: Key) -> Condition:
    if key.is_tag and key.name != "user":
        return _any_row(ISSUE_TAG_KEYS, ISSUE_TAG_KEYS.c.key == key.name)
    if key.is_tag or key.name in USER_KEYS:
        return ISSUES.c.user_count > 0
    found = get_field(key.name)
    if found.tags:
        return _any_row(ISSUE_TAG_KEYS, ISSUE_TAG_KEYS.c.key.in_(found.tags))
    match key.name:
        case "release" | "firstRelease" | "lastRelease":
            return ISSUES.c.first_release.is_not(None)
        case "assigned":
            return _ASSIGNEE != ""
        case "error.handled" | "error.unhandled":
            return ISSUES.c.is_handled.is_not(None)
        case name if name in _COLUMNS:
            return _COLUMNS[name] != ""
        case _:
            return true()


def _within(
    column: ColumnElement[Any], operator: Operator, value: Pattern, context: SearchContext
) -> Condition:
    interval = parse_interval(value.text, operator, context.now)
    if interval is None:
        return false()
    conditions: list[Condition] = []
    if interval.start is not None:
        conditions.append(column >= interval.start)
    if interval.end is not None:
        conditions.append(column < interval.end)
    return and_(*conditions)


def _compare(column: ColumnElement[Any], operator: Operator, number: float) -> Condition:
    match operator:
        case Operator.GREATER:
            return column > number
        case Operator.GREATER_OR_EQUAL:
            return column >= number
        case Operator.LESS:
            return column < number
        case Operator.LESS_OR_EQUAL:
            return column <= number
        case Operator.EQUAL:
            return column == number


def _number(value: Pattern) -> float:
    number = parse_number(value.text)
    return 0.0 if number is None else number


def _like(column: ColumnElement[str], pattern: Pattern) -> Condition:
    escaped = "%".join(
        part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") for part in pattern.parts
    )
    return column.like(escaped, escape="\\")


def _glob(pattern: Pattern) -> str:
    return "*".join(
        part.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]") for part in pattern.parts
    )


def select_ids(table: Any, condition: Condition) -> Select[Any]:
    """Return the ids of issues that have a row in a table under a condition."""
    return select(table.c.issue_id.label("id")).where(condition)
