"""The issues in the relational database: the writing side."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

import zstandard
from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.exc import OperationalError

from resumatch_monitor.errortracking.alerting.watch import IssueWatch
from resumatch_monitor.errortracking.store import (
    DeadLetter,
    DigestedEvent,
    StoreOutcome,
    StoreUnavailableError,
)
from resumatch_monitor.errortracking.workflow.owners import Owners
from resumatch_monitor.storage.sql.database import Database, DatabaseFullError
from resumatch_monitor.storage.sql.issues_novelty import Novelty
from resumatch_monitor.storage.sql.issues_retention import (
    expire_events,
    expire_hours,
    expire_issues,
    find_old_hours,
    trim_issues,
    trim_projects,
)
from resumatch_monitor.storage.sql.issues_write import BatchWriter, IssuePolicy
from resumatch_monitor.storage.sql.payloads import PayloadPacker
from resumatch_monitor.storage.sql.tables.errors import (
    ERROR_DEAD_LETTERS,
)

T = TypeVar("T")

_COMPRESSION_LEVEL = 3
_DEAD_LETTERS_MAX = 1_000
_TRIM_ROUNDS_MAX = 1_000


class SqlIssueStore:
    """Implements `IssueStore` of error tracking."""

    def __init__(
        self, database: Database, watch: IssueWatch | None = None, owners: Owners | None = None
    ) -> None:
        """Keep issues.

        Args:
            database: Where.
            watch: Knows of what about them people are told.
            owners: Knows to whom new ones are assigned.
        """
        self._database = database
        self._policy = IssuePolicy(watch or IssueWatch.default(), owners or Owners())
        self._packer = PayloadPacker(database)
        self._novelty = Novelty()

    async def store(self, events: Sequence[DigestedEvent]) -> StoreOutcome:
        """Store `events` in order; one that is there already counts once."""
        # Before the writer's turn, and on another thread: compressing takes most of the time.
        batch = await asyncio.to_thread(self._packer.pack_all, events)
        return await self._write(
            lambda connection: BatchWriter(connection, self._novelty, self._policy).write(batch)
        )

    async def set_aside(self, letters: Sequence[DeadLetter]) -> None:
        """Keep records that nobody could read; the oldest go when there are too many."""
        rows = [
            {
                "received_at": letter.received_at,
                "reason": letter.reason,
                "record": zstandard.compress(letter.record, _COMPRESSION_LEVEL),
            }
            for letter in letters
        ]

        def write(connection: Connection) -> None:
            connection.execute(insert(ERROR_DEAD_LETTERS), rows)
            newest = connection.scalar(select(func.max(ERROR_DEAD_LETTERS.c.id)))
            connection.execute(
                delete(ERROR_DEAD_LETTERS).where(
                    ERROR_DEAD_LETTERS.c.id <= (newest or 0) - _DEAD_LETTERS_MAX
                )
            )

        await self._write(write)

    async def count_dead_letters(self) -> int:
        """Return how many records are set aside."""
        return await self._database.read(
            lambda connection: connection.execute(
                select(func.count()).select_from(ERROR_DEAD_LETTERS)
            ).scalar_one()
        )

    async def trim(self, *, events_per_issue: int, events_per_project: int) -> None:
        """Drop events that tell little of issues and projects that have more than that."""

        def write(connection: Connection) -> int:
            return trim_issues(connection, events_per_issue=events_per_issue) or trim_projects(
                connection, events_per_project=events_per_project
            )

        for _ in range(_TRIM_ROUNDS_MAX):
            if not await self._write(write):
                return

    async def expire(self, before: datetime, *, now: datetime) -> int:
        """Delete a bounded number of events and issues from before; return how many."""
        # Outside of the writer's turn: this looks at every issue.
        old_hours = await self._database.read(lambda connection: find_old_hours(connection, before))

        def write(connection: Connection) -> int:
            return (
                expire_events(connection, before, now)
                + expire_issues(connection, before)
                + expire_hours(connection, old_hours, before)
                + connection.execute(
                    delete(ERROR_DEAD_LETTERS).where(ERROR_DEAD_LETTERS.c.received_at < before)
                ).rowcount
            )

        return await self._write(write)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        try:
            return await self._database.write(work)
        except (DatabaseFullError, OperationalError) as error:
            reason = error.orig if isinstance(error, OperationalError) else error
            raise StoreUnavailableError(str(reason)) from error
