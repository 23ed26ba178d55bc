"""Rows of the table of alerts: conditions that select them, and their way to and from objects."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import and_, bindparam

from resumatch_monitor.alerts.alert import Alert, AlertSource
from resumatch_monitor.dispatch.occurrences.occurrence import Occurrence, OccurrenceId
from resumatch_monitor.dispatch.reading import AlertRecord, PageMark
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.storage.sql.statements import AnyRow
from resumatch_monitor.storage.sql.tables.dispatch import ALERTS

_CHUNK = 500
"""Values in one statement; SQLite takes 32,766 and plans short lists better."""


def is_firing() -> Any:
    """Select the alerts whose condition holds; an event has merely happened."""
    return and_(ALERTS.c.ends_at.is_(None), ~ALERTS.c.is_event)


def has_id() -> Any:
    """Select the occurrence that `to_key` names in the parameters."""
    return and_(
        ALERTS.c.fingerprint == bindparam("id_fingerprint"),
        ALERTS.c.starts_at == bindparam("id_starts_at", type_=ALERTS.c.starts_at.type),
    )


def to_key(occurrence_id: OccurrenceId) -> dict[str, Any]:
    """Return the parameters of `has_id`."""
    return {
        "id_fingerprint": occurrence_id.fingerprint,
        "id_starts_at": occurrence_id.starts_at,
    }


def to_row(occurrence: Occurrence) -> dict[str, Any]:
    """Return the columns of an occurrence but its id and its flags."""
    alert = occurrence.alert
    return {
        "fingerprint": alert.fingerprint,
        "starts_at": alert.starts_at,
        "ends_at": alert.ends_at,
        "source_starts_at": occurrence.source_starts_at,
        "received_at": occurrence.received_at,
        "changed_at": alert.ends_at or alert.starts_at,
        "name": alert.name,
        "severity": alert.severity,
        "source": alert.source.value,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "generator_path": alert.generator_path,
        "value": alert.value,
        "is_event": alert.is_event,
    }


def to_change(occurrence: Occurrence) -> dict[str, Any]:
    """Return the parameters that change an occurrence, in `new_…`, and its key."""
    names = ("ends_at", "source_starts_at", "changed_at", "annotations", "generator_path", "value")
    row = to_row(occurrence)
    return {**to_key(occurrence.id), **{f"new_{name}": row[name] for name in names}}


def to_alert(row: AnyRow) -> Alert:
    """Read an alert."""
    return Alert(
        labels=Labels.of(row.labels),
        annotations=row.annotations,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        source=AlertSource(row.source),
        generator_path=row.generator_path,
        is_event=row.is_event,
        value=row.value,
    )


def to_occurrence(row: AnyRow) -> Occurrence:
    """Read an occurrence."""
    return Occurrence(to_alert(row), row.received_at, row.source_starts_at, row.closed_until)


def to_record(row: AnyRow) -> AlertRecord:
    """Read an alert with its place in lists."""
    return AlertRecord(to_alert(row), PageMark(row.changed_at, row.id), row.notified_at)


def in_chunks(items: Iterable[Any]) -> Iterable[list[Any]]:
    """Cut `items` into lists that one statement can take."""
    every = list(items)
    for start in range(0, len(every), _CHUNK):
        yield every[start : start + _CHUNK]
