"""What people made of alerts, in SQL."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, exists, insert, or_, select, tuple_
from sqlalchemy.dialects.sqlite import insert as upsert

from resumatch_monitor.dispatch.handling.acknowledgements import AcknowledgementComposer
from resumatch_monitor.dispatch.handling.actions import (
    ActionRefusedError,
    JournalEntry,
    Subject,
    Via,
    carry_out,
)
from resumatch_monitor.dispatch.handling.handling import Handling, Outcome
from resumatch_monitor.dispatch.handling.handlings import Request, Result
from resumatch_monitor.dispatch.occurrences.occurrence import OccurrenceId
from resumatch_monitor.storage.sql.acknowledged_steps import note_acknowledged
from resumatch_monitor.storage.sql.acknowledgements import tell_acknowledged
from resumatch_monitor.storage.sql.alerts_rows import in_chunks, is_firing
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.statements import AnyRow
from resumatch_monitor.storage.sql.tables.alerting import (
    ALERT_HANDLING,
    ALERT_JOURNAL,
    HEARD_EVENTS,
)
from resumatch_monitor.storage.sql.tables.dispatch import ALERTS

_COLUMNS = (
    "acknowledged_at",
    "acknowledged_by",
    "snoozed_until",
    "assignee",
    "resolved_at",
    "resolved_by",
    "resolved_until",
    "outcome",
    "changed_at",
)


class SqlHandlings:
    """The `HandlingStore` of the relational database."""

    def __init__(
        self, database: Database, acknowledgements: AcknowledgementComposer | None = None
    ) -> None:
        """Build it; `acknowledgements` tells those that keep incidents of their own."""
        self._database = database
        self._acknowledgements = acknowledgements

    async def load(self) -> list[Handling]:
        """Return what people made of the occurrences that are not over."""
        query = (
            select(ALERT_HANDLING)
            .join(ALERTS, is_handled())
            .where(or_(is_firing(), ~ALERTS.c.is_settled))
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [to_handling(row) for row in rows]

    async def change(
        self, requests: Sequence[Request], *, at: datetime, once: str = ""
    ) -> list[Result]:
        """Carry out `requests` in order, all in one transaction; return a result each.

        Args:
            requests: What is to be done.
            at: When.
            once: Names what they come from: what has come before is not carried out again, and
                nothing is returned.
        """

        def work(connection: Connection) -> list[Result]:
            if once and not _note_first(connection, once, at):
                return []
            batch = _Batch(connection, requests)
            results = [batch.carry_out(request, at) for request in requests]
            batch.write(connection, at)
            note_acknowledged(connection, batch.acknowledged, at)
            if self._acknowledgements is not None:
                tell_acknowledged(
                    connection,
                    batch.acknowledged,
                    self._acknowledgements,
                    at,
                    known_to={each.origin for each in requests},
                )
            return results

        return await self._database.write(work)

    async def prune(self, before: datetime, *, limit: int) -> int:
        """Delete at most `limit` things about occurrences that are gone; return how many."""
        journal = delete(ALERT_JOURNAL).where(
            ALERT_JOURNAL.c.id.in_(
                select(ALERT_JOURNAL.c.id)
                .where(ALERT_JOURNAL.c.at < before, ~_is_kept(ALERT_JOURNAL))
                .limit(limit)
            )
        )
        key = tuple_(ALERT_HANDLING.c.fingerprint, ALERT_HANDLING.c.starts_at)
        handling = delete(ALERT_HANDLING).where(
            key.in_(
                select(ALERT_HANDLING.c.fingerprint, ALERT_HANDLING.c.starts_at)
                .where(ALERT_HANDLING.c.changed_at < before, ~_is_kept(ALERT_HANDLING))
                .limit(limit)
            )
        )

        heard = delete(HEARD_EVENTS).where(
            HEARD_EVENTS.c.id.in_(
                select(HEARD_EVENTS.c.id).where(HEARD_EVENTS.c.at < before).limit(limit)
            )
        )

        def work(connection: Connection) -> int:
            return max(connection.execute(each).rowcount for each in (journal, handling, heard))

        return await self._database.write(work)


def _is_kept(table: Any) -> Any:
    return exists().where(
        ALERTS.c.fingerprint == table.c.fingerprint, ALERTS.c.starts_at == table.c.starts_at
    )


def is_handled() -> Any:
    """Join an occurrence with what people made of it."""
    return and_(
        ALERT_HANDLING.c.fingerprint == ALERTS.c.fingerprint,
        ALERT_HANDLING.c.starts_at == ALERTS.c.starts_at,
    )


def _note_first(connection: Connection, once: str, at: datetime) -> bool:
    """Note that it has come; False if it had come before."""
    query = upsert(HEARD_EVENTS).values(id=once, at=at).on_conflict_do_nothing()
    return connection.execute(query).rowcount == 1


class _Batch:
    """Requests that are carried out in memory, so that a thousand cost a few statements."""

    def __init__(self, connection: Connection, requests: Sequence[Request]) -> None:
        self._subjects: dict[tuple[str, datetime | None], Subject] = {}
        self._changed: dict[OccurrenceId, Handling] = {}
        self._entries: list[JournalEntry] = []
        self.acknowledged: dict[OccurrenceId, str] = {}
        fingerprints = sorted({each.fingerprint for each in requests if each.starts_at is None})
        for chunk in in_chunks(fingerprints):
            self._read(connection, and_(ALERTS.c.fingerprint.in_(chunk), ALERTS.c.is_latest), True)
        for each in requests:
            if each.starts_at is not None:
                this = and_(
                    ALERTS.c.fingerprint == each.fingerprint, ALERTS.c.starts_at == each.starts_at
                )
                self._read(connection, this, False)

    def _read(self, connection: Connection, which: Any, is_latest: bool) -> None:
        columns = [ALERTS.c[name] for name in ("fingerprint", "starts_at", "ends_at", "is_event")]
        query = (
            select(*columns, *(ALERT_HANDLING.c[name] for name in _COLUMNS))
            .outerjoin(ALERT_HANDLING, is_handled())
            .where(which)
        )
        for row in connection.execute(query):
            subject = Subject(
                OccurrenceId(row.fingerprint, row.starts_at),
                is_over=row.is_event or row.ends_at is not None,
                is_event=row.is_event,
                handling=None if row.changed_at is None else to_handling(row),
            )
            self._subjects[(row.fingerprint, None if is_latest else row.starts_at)] = subject

    def carry_out(self, request: Request, at: datetime) -> Result:
        fingerprint = request.fingerprint
        subject = self._subjects.get((fingerprint, request.starts_at))
        if subject is None:
            return Result(
                fingerprint, code="not_found", message=f"There is no alert {fingerprint!r}."
            )
        known = self._changed.get(subject.id, subject.handling)
        subject = Subject(subject.id, subject.is_over, subject.is_event, known)
        try:
            change = carry_out(subject, request.action, request.actor, at)
        except ActionRefusedError as error:
            return Result(
                fingerprint, code=error.code, message=error.message, is_over=subject.is_over
            )
        if change.entry is not None:
            self._changed[subject.id] = change.handling
            self._entries.append(change.entry)
            if change.handling.acknowledged_at is not None and not (
                known and known.acknowledged_at
            ):
                self.acknowledged[subject.id] = change.handling.acknowledged_by
        is_changed = change.entry is not None
        return Result(fingerprint, change.handling, is_changed, is_over=subject.is_over)

    def write(self, connection: Connection, at: datetime) -> None:
        if self._changed:
            query = upsert(ALERT_HANDLING)
            connection.execute(
                query.on_conflict_do_update(
                    index_elements=["fingerprint", "starts_at"],
                    set_={name: query.excluded[name] for name in _COLUMNS},
                ),
                [_to_row(each, at) for each in self._changed.values()],
            )
        add_entries(connection, self._entries)


def add_entries(connection: Connection, entries: Iterable[JournalEntry]) -> None:
    """Add to the journal as part of the caller's transaction."""
    rows = [
        {
            "fingerprint": each.occurrence_id.fingerprint,
            "starts_at": each.occurrence_id.starts_at,
            "at": each.at,
            "actor": each.actor,
            "via": each.via.value,
            "action": each.action,
            "text": each.text,
        }
        for each in entries
    ]
    if rows:
        connection.execute(insert(ALERT_JOURNAL), rows)


def to_handling(row: AnyRow) -> Handling:
    """Read what people made of an occurrence."""
    return Handling(
        OccurrenceId(row.fingerprint, row.starts_at),
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        snoozed_until=row.snoozed_until,
        assignee=row.assignee,
        resolved_at=row.resolved_at,
        resolved_by=row.resolved_by,
        resolved_until=row.resolved_until,
        outcome=Outcome(row.outcome) if row.outcome else None,
    )


def to_entry(row: AnyRow) -> JournalEntry:
    """Read a line of the journal."""
    return JournalEntry(
        OccurrenceId(row.fingerprint, row.starts_at),
        row.at,
        row.actor,
        Via(row.via),
        row.action,
        row.text,
    )


def _to_row(handling: Handling, at: datetime) -> dict[str, Any]:
    return {
        "fingerprint": handling.occurrence_id.fingerprint,
        "starts_at": handling.occurrence_id.starts_at,
        "acknowledged_at": handling.acknowledged_at,
        "acknowledged_by": handling.acknowledged_by,
        "snoozed_until": handling.snoozed_until,
        "assignee": handling.assignee,
        "resolved_at": handling.resolved_at,
        "resolved_by": handling.resolved_by,
        "resolved_until": handling.resolved_until,
        "outcome": handling.outcome.value if handling.outcome is not None else "",
        "changed_at": at,
    }
