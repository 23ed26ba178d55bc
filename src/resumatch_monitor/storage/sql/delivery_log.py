"""What was and will be sent, for those who look at it, in SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, exists, func, or_, select, update

from resumatch_monitor.dispatch.practice.drills import find_drill_id
from resumatch_monitor.dispatch.reading import (
    DeliveryDetail,
    DeliveryQuery,
    DeliveryRecord,
    DeliveryStatus,
    DeliveryStep,
    LastFailure,
    MentionedAlert,
    StepKind,
)
from resumatch_monitor.notify.notification import notification_from_json
from resumatch_monitor.notify.notifier import IntegrationId
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outbox_rows import add_steps
from resumatch_monitor.storage.sql.statements import AnyRow, AnySelect
from resumatch_monitor.storage.sql.tables.alerting import DELIVERY_STEPS
from resumatch_monitor.storage.sql.tables.dispatch import (
    DELIVERIES,
    NOTIFICATION_ALERTS,
    NOTIFICATIONS,
)

_MOST_MENTIONED = 20
"""Alerts that a delivery in a list mentions; the alert's own page finds it by any of them."""
_MOST_STEPS = 500
_FAILURES = (StepKind.ATTEMPT_FAILED.value, StepKind.FAILED.value)


class SqlDeliveryLog:
    """The `DeliveryReader` of the relational database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_deliveries(
        self,
        *,
        status: DeliveryStatus | None = None,
        fingerprint: str | None = None,
        before_id: int | None = None,
        limit: int,
    ) -> list[DeliveryRecord]:
        """Return deliveries, newest first."""
        return await self.find_deliveries(
            DeliveryQuery(status=status, fingerprint=fingerprint),
            before_id=before_id,
            limit=limit,
        )

    async def find_deliveries(
        self, wanted: DeliveryQuery, *, before_id: int | None, limit: int
    ) -> list[DeliveryRecord]:
        """Return the deliveries that are wanted, newest first."""
        query = _select_records().where(*_list_conditions(wanted))
        if before_id is not None:
            query = query.where(DELIVERIES.c.id < before_id)
        query = query.order_by(DELIVERIES.c.id.desc()).limit(limit)
        return await self._database.read(lambda connection: _read_records(connection, query))

    async def get_delivery(self, delivery_id: int) -> DeliveryRecord | None:
        """Return one."""
        query = _select_records().where(DELIVERIES.c.id == delivery_id)
        records = await self._database.read(lambda connection: _read_records(connection, query))
        return records[0] if records else None

    async def get_detail(self, delivery_id: int) -> DeliveryDetail | None:
        """Return one with what it says and its way."""
        return await self._database.read(lambda connection: _read_detail(connection, delivery_id))

    async def requeue(self, delivery_id: int, *, at: datetime) -> bool:
        """Queue a failed delivery again; False if it is not there or has not failed."""
        query = (
            update(DELIVERIES)
            .where(
                DELIVERIES.c.id == delivery_id,
                DELIVERIES.c.status == DeliveryStatus.FAILED.value,
            )
            .values(
                status=DeliveryStatus.QUEUED.value, attempts=0, queued_at=at, next_attempt_at=at
            )
        )

        def work(connection: Connection) -> bool:
            was_queued = connection.execute(query).rowcount == 1
            if was_queued:
                add_steps(connection, [delivery_id], StepKind.REQUEUED, "by a person", at)
            return was_queued

        return await self._database.write(work)

    async def count_failed(self, since: datetime) -> int:
        """Return how many deliveries have failed for good since then."""
        query = select(func.count()).where(
            DELIVERIES.c.status == DeliveryStatus.FAILED.value, DELIVERIES.c.queued_at >= since
        )
        return await self._database.read(lambda connection: connection.scalar(query)) or 0

    async def last_failures(self) -> dict[IntegrationId, LastFailure]:
        """Return what last went wrong with each integration."""
        latest = (
            select(func.max(DELIVERY_STEPS.c.id))
            .join(DELIVERIES, DELIVERIES.c.id == DELIVERY_STEPS.c.delivery_id)
            .where(DELIVERY_STEPS.c.step.in_(_FAILURES))
            .group_by(
                DELIVERIES.c.receiver, DELIVERIES.c.integration, DELIVERIES.c.integration_index
            )
        )
        query = (
            select(
                DELIVERY_STEPS.c.at,
                DELIVERY_STEPS.c.detail.label("words"),
                DELIVERIES.c.receiver,
                DELIVERIES.c.integration,
                DELIVERIES.c.integration_index,
            )
            .join(DELIVERIES, DELIVERIES.c.id == DELIVERY_STEPS.c.delivery_id)
            .where(DELIVERY_STEPS.c.id.in_(latest))
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {
            IntegrationId(row.receiver, row.integration, row.integration_index): LastFailure(
                row.at, row.words
            )
            for row in rows
        }


def _list_conditions(wanted: DeliveryQuery) -> list[Any]:
    column = DELIVERIES.c
    conditions: list[Any] = []
    if wanted.status is not None:
        conditions.append(column.status == wanted.status.value)
    if wanted.receiver is not None:
        conditions.append(column.receiver == wanted.receiver)
    if wanted.integration is not None:
        conditions.append(column.integration == wanted.integration)
    if wanted.since is not None:
        conditions.append(column.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(column.created_at < wanted.until)
    if wanted.fingerprint is not None:
        mentioning = select(NOTIFICATION_ALERTS.c.notification_id).where(
            NOTIFICATION_ALERTS.c.fingerprint == wanted.fingerprint
        )
        conditions.append(column.notification_id.in_(mentioning))
    if wanted.text:
        conditions.append(_mentions(wanted.text))
    return conditions


def _mentions(text: str) -> Any:
    """Select what has `text` in its title, its alerts' names, its destination or its steps."""
    named = exists().where(
        NOTIFICATION_ALERTS.c.notification_id == DELIVERIES.c.notification_id,
        NOTIFICATION_ALERTS.c.name.icontains(text, autoescape=True),
    )
    stepped = exists().where(
        DELIVERY_STEPS.c.delivery_id == DELIVERIES.c.id,
        DELIVERY_STEPS.c.detail.icontains(text, autoescape=True),
    )
    return or_(
        NOTIFICATIONS.c.title.icontains(text, autoescape=True),
        DELIVERIES.c.destination.icontains(text, autoescape=True),
        named,
        stepped,
    )


def _select_records() -> AnySelect:
    return select(DELIVERIES, NOTIFICATIONS.c.kind, NOTIFICATIONS.c.title).join(
        NOTIFICATIONS, NOTIFICATIONS.c.id == DELIVERIES.c.notification_id
    )


def _read_records(connection: Connection, query: AnySelect) -> list[DeliveryRecord]:
    rows = connection.execute(query).all()
    mentioned: dict[str, list[MentionedAlert]] = {row.notification_id: [] for row in rows}
    alerts = select(NOTIFICATION_ALERTS).where(
        NOTIFICATION_ALERTS.c.notification_id.in_(bindparam("ids", expanding=True)),
        NOTIFICATION_ALERTS.c.position < _MOST_MENTIONED,
    )
    for row in connection.execute(
        alerts.order_by(NOTIFICATION_ALERTS.c.position), {"ids": list(mentioned)}
    ):
        alert = MentionedAlert(row.fingerprint, row.name, row.status)
        mentioned[row.notification_id].append(alert)
    heirs = _read_heirs(connection, [row.id for row in rows])
    return [_to_record(row, mentioned[row.notification_id], heirs[row.id]) for row in rows]


def _read_heirs(connection: Connection, delivery_ids: Sequence[int]) -> dict[int, list[int]]:
    """Return the deliveries that went out in the place of each."""
    found: dict[int, list[int]] = {each: [] for each in delivery_ids}
    query = select(DELIVERIES.c.origin_id, DELIVERIES.c.id).where(
        DELIVERIES.c.origin_id.is_not(None),
        DELIVERIES.c.origin_id.in_(bindparam("ids", expanding=True)),
    )
    for origin_id, delivery_id in connection.execute(
        query.order_by(DELIVERIES.c.id), {"ids": list(delivery_ids)}
    ):
        found[origin_id].append(delivery_id)
    return found


def _read_detail(connection: Connection, delivery_id: int) -> DeliveryDetail | None:
    records = _read_records(connection, _select_records().where(DELIVERIES.c.id == delivery_id))
    if not records:
        return None
    payload = connection.execute(
        select(NOTIFICATIONS.c.payload)
        .join(DELIVERIES, DELIVERIES.c.notification_id == NOTIFICATIONS.c.id)
        .where(DELIVERIES.c.id == delivery_id)
    ).scalar_one()
    rows = connection.execute(
        select(DELIVERY_STEPS)
        .where(DELIVERY_STEPS.c.delivery_id == delivery_id)
        .order_by(DELIVERY_STEPS.c.id.desc())
        .limit(_MOST_STEPS)
    ).all()
    steps = [DeliveryStep(row.at, StepKind(row.step), row.detail) for row in reversed(rows)]
    queued = DeliveryStep(records[0].created_at, StepKind.QUEUED, "")
    return DeliveryDetail(records[0], notification_from_json(payload), [queued, *steps])


def _to_record(
    row: AnyRow, alerts: Sequence[MentionedAlert], heir_ids: Sequence[int]
) -> DeliveryRecord:
    return DeliveryRecord(
        id=row.id,
        receiver=row.receiver,
        integration=row.integration,
        destination=row.destination,
        status=DeliveryStatus(row.status),
        kind=row.kind,
        title=row.title,
        created_at=row.created_at,
        sent_at=row.sent_at,
        attempts=row.attempts,
        last_error=row.last_error,
        next_attempt_at=row.next_attempt_at,
        alerts=alerts,
        detail=row.detail,
        origin_id=row.origin_id,
        heir_ids=heir_ids,
        drill_id=find_drill_id(row.group_key),
    )
