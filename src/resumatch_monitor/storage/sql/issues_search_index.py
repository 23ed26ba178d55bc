"""Which conditions of a search an index answers, and how many issues it finds.

What an index finds is asked for as a set of ids, which is made once, instead of once an issue.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    String,
    TextClause,
    column,
    func,
    literal,
    literal_column,
    select,
    text,
)

from resumatch_monitor.errortracking.search.fields import Kind, get_field
from resumatch_monitor.errortracking.search.predicate import USER_KEYS
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
from resumatch_monitor.storage.sql.issues_search import (
    Condition,
    SearchContext,
    compile_node,
    hash_users,
    named_releases,
)
from resumatch_monitor.storage.sql.issues_search_values import (
    exact_condition,
    has_tag,
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

_MEMBERS_MAX = 25_000
# What must not be the case has to be known of every issue that is looked at.
_NEGATED_MAX = 150_000
_LETTERS_MIN = 3
_VALUES_WALKED_MAX = 5_000
_VALUES_MAX = 200

# From one value to the next by the index, over however many rows each has.
_WALK_TAG = (
    "WITH RECURSIVE each(value, n) AS ("
    " SELECT (SELECT min(value) FROM issue_tags WHERE key = :key), 1"
    " UNION ALL"
    " SELECT (SELECT min(value) FROM issue_tags WHERE key = :key AND value > each.value), n + 1"
    " FROM each WHERE each.value IS NOT NULL AND n <= :most)"
    " SELECT value FROM each WHERE value IS NOT NULL"
)
_WALK_RELEASES = (
    "WITH RECURSIVE each(value, n) AS ("
    " SELECT (SELECT min(version) FROM issue_releases), 1"
    " UNION ALL"
    " SELECT (SELECT min(version) FROM issue_releases WHERE version > each.value), n + 1"
    " FROM each WHERE each.value IS NOT NULL AND n <= :most)"
    " SELECT value FROM each WHERE value IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class Indexed:
    """What an index finds for a condition.

    Attributes:
        ids: Selects the ids of issues, `id`; all that fulfil the condition are among them.
        count: How many rows that are.
        is_whole: Whether it finds no others.
    """

    ids: Select[Any]
    count: int
    is_whole: bool


def find_indexed(
    connection: Connection, nodes: Sequence[Node], context: SearchContext
) -> Mapping[Node, Indexed]:
    """Return the conditions for which an index finds few enough issues to make a set of them."""
    found: dict[Node, Indexed] = {}
    seen: set[Node] = set()
    for node in nodes:
        for leaf, is_negated in _signed_leaves(node, is_negated=False):
            if leaf in seen:
                continue
            seen.add(leaf)
            asked = _ask(connection, leaf, context)
            if asked is None:
                continue
            ids, is_whole = asked
            most = _NEGATED_MAX if is_negated and is_whole else _MEMBERS_MAX
            count = _count(connection, ids, most)
            if count <= most:
                found[leaf] = Indexed(ids, count, is_whole)
    return found


def find_ranges(
    connection: Connection,
    nodes: Sequence[Node],
    parts: Sequence[tuple[int, str]],
    context: SearchContext,
    *,
    most: int,
) -> Mapping[Node, Indexed]:
    """Return the numbers and times of which an order's index has few issues of the parts."""
    # Each index has the project and the status before the number.
    among = (
        ISSUES.c.project_id.in_({part[0] for part in parts}),
        ISSUES.c.status.in_({part[1] for part in parts}),
    )
    found: dict[Node, Indexed] = {}
    for node in nodes:
        if not isinstance(node, Filter) or node.key.is_tag:
            continue
        if get_field(node.key.name).kind not in (Kind.NUMBER, Kind.TIME):
            continue
        ids = select(ISSUES.c.id).where(*among, compile_node(node, context))
        count = _count(connection, ids, most)
        if count <= most:
            found[node] = Indexed(ids, count, is_whole=True)
    return found


def _signed_leaves(node: Node, *, is_negated: bool) -> Iterator[tuple[Text | Filter | Has, bool]]:
    match node:
        case Not(inner):
            yield from _signed_leaves(inner, is_negated=not is_negated)
        case And(nodes) | Or(nodes):
            for each in nodes:
                yield from _signed_leaves(each, is_negated=is_negated)
        case _:
            yield node, is_negated


def _count(connection: Connection, ids: Select[Any], most: int) -> int:
    bounded = ids.limit(most + 1).subquery()
    return connection.scalar(select(func.count()).select_from(bounded)) or 0


def _ask(
    connection: Connection, leaf: Text | Filter | Has, context: SearchContext
) -> tuple[Select[Any], bool] | None:
    """Return the ids that an index finds, and whether they fulfil the whole condition."""
    if isinstance(leaf, Text):
        return _of_texts((leaf.pattern,))
    if isinstance(leaf, Has):
        return _of_keys(leaf)
    if has_tag(leaf):
        return _of_tags(connection, leaf)
    match leaf.key.name:
        case "message" | "error.type" | "error.value" | "culprit":
            return _of_texts(leaf.values)
        case "title":
            # Its colon is nowhere in the text that is indexed.
            return _of_texts([_without_colons(value) for value in leaf.values])
        case "issue" if not any(value.text.isdigit() for value in leaf.values):
            return _of_texts(leaf.values)
        case "release" if leaf.operator is Operator.EQUAL:
            return _of_releases(connection, leaf, context)
        case name if name in USER_KEYS:
            among = ISSUE_USERS.c.user_hash.in_(hash_users(leaf, context))
            return select_ids(ISSUE_USERS, among), True
        case _:
            return None


def _of_keys(leaf: Has) -> tuple[Select[Any], bool] | None:
    if leaf.key.is_tag:
        keys = [] if leaf.key.name == "user" else [leaf.key.name]
    else:
        keys = [] if leaf.key.name in USER_KEYS else list(get_field(leaf.key.name).tags)
    if not keys:
        return None
    return select_ids(ISSUE_TAG_KEYS, ISSUE_TAG_KEYS.c.key.in_(keys)), True


def _of_tags(connection: Connection, leaf: Filter) -> tuple[Select[Any], bool]:
    keys = tag_keys(leaf)
    fits = value_condition(ISSUE_TAGS.c.value, leaf)
    if leaf.operator is not Operator.EQUAL or any(value.has_wildcards for value in leaf.values):
        values = _values_of_keys(connection, keys, leaf)
        if values is not None:
            fits = ISSUE_TAGS.c.value.in_(values)
    return select_ids(ISSUE_TAGS, ISSUE_TAGS.c.key.in_(keys), fits), True


def _values_of_keys(connection: Connection, keys: Sequence[str], leaf: Filter) -> list[str] | None:
    """Return the values of tags that fit; None if there are too many to go through."""
    found: set[str] = set()
    for key in keys:
        walk = text(_WALK_TAG).bindparams(key=key)
        fitting = _walk(connection, walk, lambda value: value_condition(value, leaf))
        if fitting is None:
            return None
        found.update(fitting)
    return sorted(found) if len(found) <= _VALUES_MAX else None


def _of_releases(
    connection: Connection, leaf: Filter, context: SearchContext
) -> tuple[Select[Any], bool]:
    patterns = named_releases(leaf, context)
    fits = exact_condition(ISSUE_RELEASES.c.version, patterns)
    if any(pattern.has_wildcards for pattern in patterns):
        walk = text(_WALK_RELEASES)
        values = _walk(connection, walk, lambda value: exact_condition(value, patterns))
        if values is not None and len(values) <= _VALUES_MAX:
            fits = ISSUE_RELEASES.c.version.in_(values)
    return select_ids(ISSUE_RELEASES, fits), True


def _walk(
    connection: Connection,
    walk: TextClause,
    condition: Callable[[ColumnElement[str]], Condition],
) -> list[str] | None:
    """Return those of the distinct values that fulfil a condition; None if there are too many."""
    each = (
        walk.bindparams(most=_VALUES_WALKED_MAX).columns(column("value", String)).subquery("walked")
    )
    rows = connection.execute(select(each.c.value, condition(each.c.value).label("fits"))).all()
    if len(rows) > _VALUES_WALKED_MAX:
        return None
    return [row.value for row in rows if row.fits]


def _without_colons(value: Pattern) -> Pattern:
    return Pattern(tuple(piece for part in value.parts for piece in part.split(": ")))


def _of_texts(values: Sequence[Pattern]) -> tuple[Select[Any], bool] | None:
    """Return the ids of the issues with texts that have what is long enough of a pattern."""
    alternatives: list[str] = []
    for value in values:
        phrases = [part for part in value.parts if len(part) >= _LETTERS_MIN]
        if not phrases:
            return None
        alternatives.append(
            "("
            + " AND ".join('"' + part.lower().replace('"', '""') + '"' for part in phrases)
            + ")"
        )
    found = (
        select(literal_column("issue_search.rowid", Integer).label("id"))
        .select_from(text("issue_search"))
        .where(literal_column("issue_search").op("MATCH")(literal(" OR ".join(alternatives))))
    )
    return found, False


def select_ids(table: Any, *conditions: Condition) -> Select[Any]:
    """Return the ids of issues that have a row in a table under all conditions."""
    return select(table.c.issue_id.label("id")).where(*conditions)
