"""A search as a condition on the table of issues."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    and_,
    exists,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
)

from resumatch_monitor.errortracking.issues import (
    PERFORMANCE_GROUPING,
    PERFORMANCE_TYPES,
    IssueStatus,
)
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
from resumatch_monitor.errortracking.search.values import parse_flag, parse_interval
from resumatch_monitor.storage.sql.issues_search_values import (
    compare,
    exact_condition,
    has_tag,
    number_of,
    tag_keys,
    value_condition,
)
from resumatch_monitor.storage.sql.tables.errors import (
    ISSUE_RELEASES,
    ISSUE_TAG_KEYS,
    ISSUE_TAGS,
    ISSUE_USERS,
    ISSUES,
)

Condition: TypeAlias = ColumnElement[bool]

# The sign keeps the database from going from member to member, instead of along the order.
_ID: ColumnElement[int] = literal_column("+issues.id", Integer)

_ASSIGNEE: ColumnElement[Any] = func.coalesce(ISSUES.c.assignee, "")
_IS_ESCALATING: ColumnElement[Any] = ISSUES.c.is_escalating

_NEW_FOR = timedelta(days=7)
_KINDS = {
    title: (slug, "http_client" if "http" in slug else "db_query")
    for title, slug in PERFORMANCE_TYPES.items()
}


class Membership(Protocol):
    """Issues that can fulfil a condition."""

    @property
    def ids(self) -> Select[Any]:
        """Selects their ids."""
        ...

    @property
    def is_whole(self) -> bool:
        """Whether each of them does fulfil it."""
        ...


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


def compile_node(
    node: Node, context: SearchContext, members: Mapping[Node, Membership] | None = None
) -> Condition:
    """Return the condition under which a row of `issues` is found; it is never NULL.

    Args:
        node: What is searched.
        context: What that means now.
        members: Conditions of the search for which the issues that can fulfil them are known.
    """
    known = members or {}
    match node:
        case And(nodes):
            return and_(*(compile_node(each, context, known) for each in nodes))
        case Or(nodes):
            return or_(*(compile_node(each, context, known) for each in nodes))
        case Not(inner):
            return not_(compile_node(inner, context, known))
        case _:
            return _leaf(node, context, known.get(node))


def _leaf(node: Text | Filter | Has, context: SearchContext, among: Membership | None) -> Condition:
    if among is not None:
        is_member = _ID.in_(among.ids)
        return is_member if among.is_whole else and_(is_member, _leaf(node, context, None))
    match node:
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


def _filter(node: Filter, context: SearchContext) -> Condition:
    if has_tag(node):
        keys = tag_keys(node)
        key = ISSUE_TAGS.c.key.in_(keys) if len(keys) > 1 else ISSUE_TAGS.c.key == keys[0]
        return _any_row(ISSUE_TAGS, and_(key, value_condition(ISSUE_TAGS.c.value, node)))
    found = get_field(node.key.name)
    match found.kind:
        case Kind.NUMBER:
            column = ISSUES.c.event_count if found.name == "timesSeen" else ISSUES.c.user_count
            return or_(*(compare(column, node.operator, number_of(each)) for each in node.values))
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
        case "issue.category" | "issue.type":
            return or_(*(_of_kind(each.text.lower()) for each in node.values))
        case "assigned":
            return or_(*(_assigned(each, context) for each in node.values))
        case "project":
            return ISSUES.c.project_id.in_(find_projects(node, context))
        case "issue":
            return or_(*(_short_id(each) for each in node.values))
        case "release":
            named = exact_condition(ISSUE_RELEASES.c.version, named_releases(node, context))
            return _any_row(ISSUE_RELEASES, named)
        case "firstRelease" | "lastRelease":
            column = (
                ISSUES.c.first_release if node.key.name == "firstRelease" else ISSUES.c.last_release
            )
            return exact_condition(func.coalesce(column, ""), named_releases(node, context))
        case "message":
            return or_(*(text_condition(each) for each in node.values))
        case name if name in USER_KEYS:
            return _any_row(ISSUE_USERS, ISSUE_USERS.c.user_hash.in_(hash_users(node, context)))
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


def _of_kind(name: str) -> Condition:
    is_slow = ISSUES.c.grouping_version == PERFORMANCE_GROUPING
    match name:
        case "error":
            return not_(is_slow)
        case "performance":
            return is_slow
        case _:
            titles = [title for title, names in _KINDS.items() if name in names]
            return and_(is_slow, ISSUES.c.type.in_(titles))


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


def hash_users(node: Filter, context: SearchContext) -> list[bytes]:
    """Return the hashes of the users whom a filter names, one for each project."""
    key = USER_KEYS[node.key.name]
    found = (
        hash_user(number, {key: value.text}) for number in context.slugs for value in node.values
    )
    return [each for each in found if each is not None]


def named_releases(node: Filter, context: SearchContext) -> tuple[Pattern, ...]:
    """Return the releases that a filter names; at least one, which may be nobody's."""
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


def _like(column: ColumnElement[str], pattern: Pattern) -> Condition:
    escaped = "%".join(
        part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") for part in pattern.parts
    )
    return column.like(escaped, escape="\\")
