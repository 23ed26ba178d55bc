"""How a search is answered: what of it an index finds, and what is looked at row by row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, select

from resumatch_monitor.errortracking.issues import IssueQuery, IssueStatus
from resumatch_monitor.errortracking.search.query import And, Filter, Node
from resumatch_monitor.storage.sql.issues_search import (
    Condition,
    SearchContext,
    compile_node,
    find_projects,
)
from resumatch_monitor.storage.sql.issues_search_index import Indexed, find_indexed, find_ranges
from resumatch_monitor.storage.sql.tables.errors import ERROR_PROJECTS, ERROR_RELEASES, ISSUES

# Going to one issue after the other costs as much as passing by eight.
_SEED_MAX = 8_000
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
        parts: The projects and statuses that it spans; each pair is a range of each index. None
            if nothing can be found.
        scope: The same as a condition; None if these are all issues.
        condition: What else must hold; None if nothing.
        lazily: The same, asked of each row alone: for whom looks at few.
        seed: Ids of a bounded number of issues, among which all that match are; None if no
            index finds so few.
    """

    parts: Sequence[tuple[int, str]]
    scope: Condition | None = None
    condition: Condition | None = None
    lazily: Condition | None = None
    seed: Select[Any] | None = None

    @property
    def is_search(self) -> bool:
        """Whether the parts alone do not say what is found."""
        return self.condition is not None or self.seed is not None


def plan_search(connection: Connection, query: IssueQuery, context: SearchContext) -> SearchPlan:
    """Choose how to answer.

    What must hold at the outermost level, and an index can find, is tried first: if any of it finds
    few enough issues, those are looked at and no others.
    """
    nodes = _outermost(query.search)
    projects, statuses = _ranges(query, nodes, context)
    parts = [(project, status.value) for project in projects for status in statuses]
    rest = [node for node in nodes if not _is_range(node)]
    scope = _scope(context, projects, statuses)
    if not parts or not rest:
        return SearchPlan(parts, scope)
    members = dict(find_indexed(connection, rest, context))
    ranges = find_ranges(connection, rest, parts, context, most=_SEED_MAX)
    fewest, found = _find_fewest(rest, {**members, **ranges})
    if fewest is None or found is None:
        condition = and_(*(compile_node(node, context, members) for node in rest))
        lazily = and_(*(compile_node(node, context) for node in rest))
        return SearchPlan(parts, scope, condition, lazily)
    if not found.count:
        return SearchPlan(())
    members.pop(fewest, None)
    rest = [node for node in rest if node != fewest or not found.is_whole]
    conditions = [compile_node(node, context, members) for node in rest]
    return SearchPlan(parts, scope, and_(*conditions) if conditions else None, seed=found.ids)


def _find_fewest(
    nodes: Sequence[Node], indexed: Mapping[Node, Indexed]
) -> tuple[Node, Indexed] | tuple[None, None]:
    found = [(node, indexed[node]) for node in nodes if node in indexed]
    few = [each for each in found if each[1].count <= _SEED_MAX]
    return min(few, key=lambda each: each[1].count, default=(None, None))


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


def _scope(
    context: SearchContext, projects: Sequence[int], statuses: Sequence[IssueStatus]
) -> Condition | None:
    conditions: list[Condition] = []
    if not set(projects) >= set(context.slugs) or len(context.slugs) >= _PROJECTS_MAX:
        conditions.append(ISSUES.c.project_id.in_(projects))
    if len(statuses) < len(IssueStatus):
        conditions.append(ISSUES.c.status.in_([status.value for status in statuses]))
    return and_(*conditions) if conditions else None


def _is_range(node: Node) -> bool:
    """Return whether the ranges alone say what a node says."""
    if not isinstance(node, Filter) or node.key.is_tag:
        return False
    if node.key.name == "project":
        return True
    return node.key.name == "is" and all(value.text.lower() in _STATUSES for value in node.values)
