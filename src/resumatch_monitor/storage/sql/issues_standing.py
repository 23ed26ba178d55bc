"""How issues stand, in their rows: what the writer of events and people's decisions share."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from resumatch_monitor.errortracking.workflow.events import Reaction
from resumatch_monitor.storage.sql.issues_counts import IssueState
from resumatch_monitor.storage.sql.tables.errors import ERROR_RELEASES, ISSUES
from resumatch_monitor.storage.sql.tables.symbols import RELEASES

STANDING_COLUMNS = (
    *("status", "resolved_at", "resolution", "resolution_release", "resolution_commit"),
    *("archive", "archived_until", "is_regressed", "is_escalating"),
)
UPDATE_STANDING = (
    ISSUES.update()
    .where(ISSUES.c.id == bindparam("issue"))
    .values({name: bindparam(f"new_{name}") for name in (*STANDING_COLUMNS, "revision")})
)


class SeenReleases:
    """When releases were first seen or announced; what was asked for is remembered."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[int, str], datetime | None] = {}

    def of(self, project_id: int) -> Callable[[str], datetime | None]:
        """Return what knows the releases of a project."""
        return lambda version: self._find(project_id, version)

    def _find(self, project_id: int, version: str) -> datetime | None:
        key = (project_id, version)
        if key not in self._known:
            self._known[key] = self._ask(project_id, version)
        return self._known[key]

    def _ask(self, project_id: int, version: str) -> datetime | None:
        seen = [
            self._connection.scalar(
                select(column).where(table.c.project_id == project_id, table.c.version == version)
            )
            for table, column in (
                (ERROR_RELEASES, ERROR_RELEASES.c.first_seen_at),
                (RELEASES, RELEASES.c.created_at),
            )
        ]
        return min((at for at in seen if at is not None), default=None)


def latest_releases(connection: Connection, project_id: int, limit: int) -> list[str]:
    """Return a project's releases, the one first seen or announced last in front."""
    first: dict[str, datetime] = {}
    for table, column in (
        (ERROR_RELEASES, ERROR_RELEASES.c.first_seen_at),
        (RELEASES, RELEASES.c.created_at),
    ):
        rows = connection.execute(
            select(table.c.version, func.min(column).label("at"))
            .where(table.c.project_id == project_id)
            .group_by(table.c.version)
            .order_by(func.min(column).desc())
            .limit(limit)
        )
        for row in rows:
            first[row.version] = min(row.at, first.get(row.version, row.at))
    return sorted(first, key=lambda version: first[version], reverse=True)[:limit]


def settle(state: IssueState, reaction: Reaction) -> None:
    """Let an issue stand as an event made it; `save_decided` stores that."""
    row = state.row
    row["is_synthetic"] = reaction.standing.is_synthetic
    columns = reaction.standing.to_columns()
    if any(row.get(name) != value for name, value in columns.items()):
        row.update(columns)
        state.is_decided = True
        if reaction.wakings:
            row["revision"] = row.get("revision", 0) + 1


def save_decided(connection: Connection, states: Iterable[IssueState]) -> None:
    """Store how the issues stand that stand otherwise than before."""
    rows = [standing_row(state.issue_id, state.row) for state in states if state.is_decided]
    if rows:
        connection.execute(UPDATE_STANDING, rows)


def standing_row(issue_id: int, row: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of `UPDATE_STANDING`."""
    return {
        "issue": issue_id,
        **{f"new_{name}": row.get(name) for name in STANDING_COLUMNS},
        "new_revision": row.get("revision", 0),
    }
