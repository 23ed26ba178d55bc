"""Tags of issues, what completes a search, and issues that are alike, in SQL."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, literal, select, text

from resumatch_monitor.errortracking.issues import TagUse
from resumatch_monitor.errortracking.search.facets import (
    SimilarIssue,
    Suggestion,
    TagDistribution,
)
from resumatch_monitor.errortracking.search.fields import find_field
from resumatch_monitor.errortracking.store import SearchTooSlowError
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.issues_search_bounds import bounded_time
from resumatch_monitor.storage.sql.issues_similar import find_similar
from resumatch_monitor.storage.sql.payloads import PayloadReader
from resumatch_monitor.storage.sql.tables.errors import (
    ERROR_PROJECTS,
    ERROR_RELEASES,
    ISSUE_TAG_KEYS,
    ISSUE_TAGS,
    ISSUES,
)

_KEYS_MAX = 100
_VALUES_MAX = 100
_SUGGESTED = 20
_COUNTED_MAX = 1_000
_SECONDS_MAX = 0.5
_LAST = "\U0010ffff"

# From one value to the next by the index, over however many rows each has.
_NEXT_VALUES = text(
    "WITH RECURSIVE found(value, n) AS ("
    " SELECT (SELECT min(value) FROM issue_tags"
    "  WHERE key = :key AND value >= :first AND value < :last), 1"
    " UNION ALL"
    " SELECT (SELECT min(value) FROM issue_tags"
    "  WHERE key = :key AND value > found.value AND value < :last), n + 1"
    " FROM found WHERE found.value IS NOT NULL AND n < :most)"
    " SELECT value, (SELECT count(*) FROM (SELECT 1 FROM issue_tags"
    "  WHERE key = :key AND value = found.value LIMIT :counted)) AS issues"
    " FROM found WHERE value IS NOT NULL"
)
_NEXT_KEYS = text(
    "WITH RECURSIVE found(key, n) AS ("
    " SELECT (SELECT min(key) FROM issue_tags WHERE key >= :first AND key < :last), 1"
    " UNION ALL"
    " SELECT (SELECT min(key) FROM issue_tags WHERE key > found.key AND key < :last), n + 1"
    " FROM found WHERE found.key IS NOT NULL AND n < :most)"
    " SELECT key FROM found WHERE key IS NOT NULL"
)


class SqlIssueFacets:
    """Implements `IssueFacets`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._payloads = PayloadReader()

    async def list_tags(self, issue_id: int, *, values: int) -> Sequence[TagDistribution]:
        """Return an issue's tags, by name, each with its most frequent values."""
        return await self._database.read(
            lambda connection: [
                _read_tag(connection, issue_id, row.key, row.event_count, values)
                for row in connection.execute(
                    select(ISSUE_TAG_KEYS)
                    .where(ISSUE_TAG_KEYS.c.issue_id == issue_id)
                    .order_by(ISSUE_TAG_KEYS.c.key)
                    .limit(_KEYS_MAX)
                ).all()
            ]
        )

    async def get_tag(self, issue_id: int, key: str) -> TagDistribution | None:
        """Return a tag with all of its values that are counted."""

        def read(connection: Connection) -> TagDistribution | None:
            total = connection.scalar(
                select(ISSUE_TAG_KEYS.c.event_count).where(
                    ISSUE_TAG_KEYS.c.issue_id == issue_id, ISSUE_TAG_KEYS.c.key == key
                )
            )
            if total is None:
                return None
            return _read_tag(connection, issue_id, key, total, _VALUES_MAX)

        return await self._database.read(read)

    async def suggest_keys(self, prefix: str) -> Sequence[str]:
        """Return keys of tags that begin with `prefix`, by name."""
        return await self._database.read(
            lambda connection: connection.scalars(
                _NEXT_KEYS, {"first": prefix, "last": prefix + _LAST, "most": _KEYS_MAX}
            ).all()
        )

    async def suggest_values(self, key: str, prefix: str) -> Sequence[Suggestion]:
        """Return values of a field or tag that begin with `prefix`, the most frequent first."""
        return await self._database.read(lambda connection: _suggest(connection, key, prefix))

    async def list_similar(self, issue_id: int, now: datetime) -> Sequence[SimilarIssue]:
        """Return issues of the same project that resemble it, the most alike first."""
        return await self._database.read(
            lambda connection: find_similar(connection, self._payloads, issue_id, now)
        )


def _read_tag(
    connection: Connection, issue_id: int, key: str, total: int, values: int
) -> TagDistribution:
    counted = connection.scalar(
        select(func.count()).where(ISSUE_TAGS.c.issue_id == issue_id, ISSUE_TAGS.c.key == key)
    )
    rows = connection.execute(
        select(ISSUE_TAGS.c.value, ISSUE_TAGS.c.event_count)
        .where(ISSUE_TAGS.c.issue_id == issue_id, ISSUE_TAGS.c.key == key)
        .order_by(ISSUE_TAGS.c.event_count.desc(), ISSUE_TAGS.c.value)
        .limit(values)
    )
    use = TagUse(key, total, [(row.value, row.event_count) for row in rows])
    return TagDistribution(use, counted or 0)


def _suggest(connection: Connection, key: str, prefix: str) -> list[Suggestion]:
    field = find_field(key)
    if field is None:
        return _suggest_tag(connection, key, prefix)
    if field.tags:
        return _suggest_tag(connection, field.tags[0], prefix)
    found = [Suggestion(choice) for choice in field.choices if choice.startswith(prefix)]
    if field.name in ("release", "firstRelease", "lastRelease"):
        found += _suggest_releases(connection, prefix)
    if field.name == "project":
        slugs = connection.scalars(select(ERROR_PROJECTS.c.slug).order_by(ERROR_PROJECTS.c.slug))
        found += [Suggestion(slug) for slug in slugs if slug.startswith(prefix)]
    if field.name == "assigned":
        people = connection.scalars(
            select(ISSUES.c.assignee)
            .where(ISSUES.c.assignee >= prefix, ISSUES.c.assignee < prefix + _LAST)
            .distinct()
            .limit(_SUGGESTED)
        )
        found += [Suggestion(person) for person in people if person]
    return found[:_SUGGESTED]


def _suggest_releases(connection: Connection, prefix: str) -> list[Suggestion]:
    rows = connection.execute(
        select(ERROR_RELEASES.c.version, func.max(ERROR_RELEASES.c.first_seen_at).label("at"))
        .where(ERROR_RELEASES.c.version >= literal(prefix))
        .where(ERROR_RELEASES.c.version < literal(prefix + _LAST))
        .group_by(ERROR_RELEASES.c.version)
        .order_by(func.max(ERROR_RELEASES.c.first_seen_at).desc())
        .limit(_SUGGESTED)
    )
    return [Suggestion(row.version) for row in rows]


def _suggest_tag(connection: Connection, key: str, prefix: str) -> list[Suggestion]:
    wanted = {
        "key": key,
        "first": prefix,
        "last": prefix + _LAST,
        "most": _VALUES_MAX,
        "counted": _COUNTED_MAX,
    }
    try:
        with bounded_time(connection, _SECONDS_MAX):
            rows = connection.execute(_NEXT_VALUES, wanted).all()
    except SearchTooSlowError:
        # Nobody waits for a suggestion.
        return []
    ranked = sorted(rows, key=lambda row: (-row.issues, row.value))
    return [Suggestion(row.value, row.issues) for row in ranked[:_SUGGESTED]]
