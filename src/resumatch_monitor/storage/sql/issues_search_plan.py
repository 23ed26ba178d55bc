"""How a search is answered: from an index that finds few issues, or along the list's order.

What must hold at the outermost level, and an index can find, is tried first: if any of it finds
few enough issues, those are looked at and no others. Else what is searched is
frequent, and going along the order of the list comes upon a page of it soon.
"""

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Integer,
    Select,
    and_,
    func,
    literal,
    literal_column,
    select,
    text,
)
from sqlalchemy.exc import OperationalError

from resumatch_monitor.errortracking.issues import IssueQuery, IssueStatus
from resumatch_monitor.errortracking.search.query import And, Filter, Node, Operator, Pattern, Text
from resumatch_monitor.errortracking.store import SearchTooSlowError
from resumatch_monitor.storage.sql.issues_search import (
    Condition,
    SearchContext,
    compile_node,
    find_projects,
    has_tag,
    release_condition,
    select_ids,
    tag_condition,
)
from resumatch_monitor.storage.sql.tables.errors import (
    ERROR_PROJECTS,
    ERROR_RELEASES,
    ISSUE_RELEASES,
    ISSUE_TAGS,
)

COUNTED_MAX = 10_000
"""So many issues are counted; of more, only that there are more is told."""
_SEED_MAX = 25_000
_SECONDS_MAX = 4.0
_INSTRUCTIONS_PER_LOOK = 20_000
_TOO_MUCH = ("interrupted", "too many SQL variables")
_LETTERS_MIN = 3
_PROJECTS_MAX = 100
_STATUSES = {
    "unresolved": IssueStatus.UNRESOLVED,
    "resolved": IssueStatus.RESOLVED,
    "ignored": IssueStatus.IGNORED,
    "archived": IssueStatus.IGNORED,
    "muted": IssueStatus.IGNORED,
}
_OPEN = ("new", "ongoing", "for_review")


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """How a search is answered.

    Attributes:
        parts: The projects and statuses that it spans; each pair is a range of each index.
        condition: What else must hold; None if nothing.
        seed: Ids of a bounded number of issues, among which all that match are; None if no
            index finds so few.
    """

    parts: Sequence[tuple[int, str]]
    condition: Condition | None
    seed: Select[Any] | None


def plan_search(connection: Connection, query: IssueQuery, context: SearchContext) -> SearchPlan:
    """Choose how to answer."""
    nodes = _outermost(query.search)
    projects, statuses = _ranges(query, nodes, context)
    rest = [node for node in nodes if not _is_range(node)]
    condition = and_(*(compile_node(node, context) for node in rest)) if rest else None
    parts = [(project, status.value) for project in projects for status in statuses]
    return SearchPlan(parts, condition, _find_seed(connection, rest, context))


def read_context(connection: Connection, query: IssueQuery, now: datetime) -> SearchContext:
    """Read what gives a search its meaning."""
    slugs = connection.execute(
        select(ERROR_PROJECTS.c.project_id, ERROR_PROJECTS.c.slug)
        .order_by(ERROR_PROJECTS.c.project_id)
        .limit(_PROJECTS_MAX)
    )
    names = {row.project_id: row.slug for row in slugs}
    latest: dict[int, str] = {}
    if query.search is not None:
        for project in names:
            version = connection.scalar(
                select(ERROR_RELEASES.c.version)
                .where(ERROR_RELEASES.c.project_id == project)
                .order_by(ERROR_RELEASES.c.first_seen_at.desc(), ERROR_RELEASES.c.version.desc())
                .limit(1)
            )
            if version is not None:
                latest[project] = version
    return SearchContext(now=now, slugs=names, latest=latest, me=query.me)


@contextmanager
def bounded_time(connection: Connection, seconds: float = _SECONDS_MAX) -> Generator[None]:
    """Interrupt what takes longer than that.

    Raises:
        SearchTooSlowError: If it was interrupted, or asks for more values than the database takes.
    """
    driver: Any = connection.connection.driver_connection
    end = time.monotonic() + seconds
    driver.set_progress_handler(lambda: int(time.monotonic() > end), _INSTRUCTIONS_PER_LOOK)
    try:
        yield
    except OperationalError as error:
        # Each project and status asks for all values again: with many, there is a limit to them.
        if not any(reason in str(error.orig) for reason in _TOO_MUCH):
            raise
        raise SearchTooSlowError("The search takes too long; narrow it.") from error
    finally:
        driver.set_progress_handler(None, 0)


def _outermost(node: Node | None) -> Sequence[Node]:
    if node is None:
        return ()
    return node.nodes if isinstance(node, And) else (node,)


def _ranges(
    query: IssueQuery, nodes: Sequence[Node], context: SearchContext
) -> tuple[list[int], list[IssueStatus]]:
    projects = list(context.slugs)
    if query.project_id is not None:
        projects = [query.project_id]
    statuses = list(IssueStatus) if query.status is None else [query.status]
    for node in nodes:
        if not isinstance(node, Filter) or node.key.is_tag:
            continue
        if node.key.name == "project":
            named = find_projects(node, context)
            projects = [number for number in projects if number in named]
        if node.key.name == "is":
            states = {value.text.lower() for value in node.values}
            if states <= {*_STATUSES, *_OPEN}:
                wanted = {_STATUSES.get(state, IssueStatus.UNRESOLVED) for state in states}
                statuses = [status for status in statuses if status in wanted]
    return projects, statuses


def _is_range(node: Node) -> bool:
    """Return whether the ranges alone say what a node says."""
    if not isinstance(node, Filter) or node.key.is_tag:
        return False
    if node.key.name == "project":
        return True
    return node.key.name == "is" and all(value.text.lower() in _STATUSES for value in node.values)


def _find_seed(
    connection: Connection, nodes: Sequence[Node], context: SearchContext
) -> Select[Any] | None:
    best: tuple[int, Select[Any]] | None = None
    for node in nodes:
        for seed in _seeds(node, context):
            bounded = seed.limit(_SEED_MAX + 1).subquery()
            found = connection.scalar(select(func.count()).select_from(bounded)) or 0
            if found <= _SEED_MAX and (best is None or found < best[0]):
                best = (found, seed)
    return None if best is None else best[1]


def _seeds(node: Node, context: SearchContext) -> list[Select[Any]]:
    if isinstance(node, Text):
        return _text_seeds((node.pattern,))
    if not isinstance(node, Filter):
        return []
    if has_tag(node):
        return [select_ids(ISSUE_TAGS, tag_condition(node))]
    match node.key.name:
        case "message" | "error.type" | "error.value" | "culprit":
            return _text_seeds(node.values)
        case "title":
            # Its colon is nowhere in the text that is indexed.
            parts = tuple(part for value in node.values for part in _between_colons(value))
            return _text_seeds((Pattern(parts),)) if len(node.values) == 1 else []
        case "issue" if not node.values[0].text.isdigit():
            return _text_seeds(node.values)
        case "release" if node.operator is Operator.EQUAL:
            return [select_ids(ISSUE_RELEASES, release_condition(node, context))]
        case _:
            return []


def _between_colons(value: Pattern) -> list[str]:
    return [piece for part in value.parts for piece in part.split(": ")]


def _text_seeds(values: Sequence[Pattern]) -> list[Select[Any]]:
    if len(values) != 1:
        return []
    long_enough = [part for part in values[0].parts if len(part) >= _LETTERS_MIN]
    if not long_enough:
        return []
    phrases = " AND ".join('"' + part.lower().replace('"', '""') + '"' for part in long_enough)
    table = text("issue_search")
    return [
        select(literal_column("issue_search.rowid", Integer).label("id"))
        .select_from(table)
        .where(literal_column("issue_search").op("MATCH")(literal(phrases)))
    ]
