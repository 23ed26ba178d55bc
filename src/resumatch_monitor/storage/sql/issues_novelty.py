"""What an event tells that no event of its issue told before: a release, a value of a tag."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, select, tuple_

from resumatch_monitor.errortracking.keeping import KeptFor
from resumatch_monitor.errortracking.store import DigestedEvent
from resumatch_monitor.storage.sql.tables.errors import ISSUE_RELEASES, ISSUE_TAGS

_KNOWN_MAX = 100_000
_ROWS_PER_QUERY = 200
_RELEASE = ""
# Where every event may have a value of its own, a new one is nothing to keep it for.
_COMMONPLACE = ("url",)

Fact = tuple[int, str, str]
"""An issue, a tag's key (empty for the release) and a value."""


class Novelty:
    """Remembers what was told, by one thread.

    It may remember too much, after a write that failed or an issue that was split: such an event
    is merely not marked.
    """

    def __init__(self) -> None:
        self._known: set[Fact] = set()

    def look_up(self, connection: Connection, events: Iterable[tuple[int, DigestedEvent]]) -> None:
        """Learn what is stored of what events of issues that exist tell."""
        if len(self._known) > _KNOWN_MAX:
            self._known.clear()
        asked = {
            fact
            for issue_id, event in events
            for fact in _facts_of(issue_id, event)
            if fact not in self._known
        }
        releases = [(issue, value) for issue, key, value in asked if key == _RELEASE]
        for chunk in _chunks(releases):
            columns = (ISSUE_RELEASES.c.issue_id, ISSUE_RELEASES.c.version)
            found = connection.execute(select(*columns).where(tuple_(*columns).in_(chunk)))
            self._known.update((row.issue_id, _RELEASE, row.version) for row in found)
        tags = [fact for fact in asked if fact[1] != _RELEASE]
        for chunk in _chunks(tags):
            columns = (ISSUE_TAGS.c.issue_id, ISSUE_TAGS.c.key, ISSUE_TAGS.c.value)
            found = connection.execute(select(*columns).where(tuple_(*columns).in_(chunk)))
            self._known.update((row.issue_id, row.key, row.value) for row in found)

    def judge(self, issue_id: int, event: DigestedEvent) -> KeptFor:
        """Return what is new in an event, and know it from now on."""
        fresh = [fact for fact in _facts_of(issue_id, event) if fact not in self._known]
        self._known.update(fresh)
        if not fresh:
            return KeptFor.NOTHING
        return KeptFor.RELEASE if any(fact[1] == _RELEASE for fact in fresh) else KeptFor.TAG


def _facts_of(issue_id: int, event: DigestedEvent) -> list[Fact]:
    facts = [(issue_id, key, value) for key, value in event.tags if key not in _COMMONPLACE]
    if event.release:
        facts.append((issue_id, _RELEASE, event.release))
    return facts


def _chunks(rows: Sequence[tuple[object, ...]]) -> Iterable[Sequence[tuple[object, ...]]]:
    return (rows[start : start + _ROWS_PER_QUERY] for start in range(0, len(rows), _ROWS_PER_QUERY))
