"""The outbox in SQL."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, exists, func, or_, select, tuple_, update

from resumatch_monitor.dispatch.outbox.store import (
    LONGEST_RETRY_AFTER,
    DueDelivery,
    Origin,
    Outcome,
)
from resumatch_monitor.dispatch.reading import DeliveryStatus, StepKind
from resumatch_monitor.dispatch.store import NewDelivery
from resumatch_monitor.notify.notification import Notification, notification_from_json
from resumatch_monitor.notify.notifier import IntegrationId
from resumatch_monitor.storage.sql.delivery_log import SqlDeliveryLog
from resumatch_monitor.storage.sql.outbox_rows import (
    WAITING,
    add_steps,
    hand_over,
    has_taken_over,
    insert_notifications,
    insert_rows,
    is_for,
    judge,
    to_row,
    to_values,
)
from resumatch_monitor.storage.sql.statements import AnyRow, AnySelect
from resumatch_monitor.storage.sql.tables.dispatch import DELIVERIES, NOTIFICATIONS

_FURTHEST = 2 * LONGEST_RETRY_AFTER
"""No retry lies further ahead, unless the clock was set back: then it is due."""
_STEPS = {
    DeliveryStatus.SENT: StepKind.ACCEPTED,
    DeliveryStatus.RETRYING: StepKind.ATTEMPT_FAILED,
    DeliveryStatus.FAILED: StepKind.FAILED,
}


class SqlOutbox(SqlDeliveryLog):
    """The `OutboxStore` of the relational database, and its `DeliveryReader`."""

    async def take_due(
        self, integration: IntegrationId, *, now: datetime, limit: int
    ) -> list[DueDelivery]:
        """Return deliveries that are due, at most one a group, the oldest of each."""
        is_due = or_(
            DELIVERIES.c.next_attempt_at <= now, DELIVERIES.c.next_attempt_at > now + _FURTHEST
        )
        origin = DELIVERIES.alias()
        query = (
            select(
                DELIVERIES,
                NOTIFICATIONS.c.payload,
                origin.c.receiver.label("origin_receiver"),
                origin.c.integration.label("origin_kind"),
                origin.c.integration_index.label("origin_index"),
                origin.c.last_error.label("origin_error"),
                origin.c.status.label("origin_status"),
            )
            .join(NOTIFICATIONS, NOTIFICATIONS.c.id == DELIVERIES.c.notification_id)
            .outerjoin(origin, origin.c.id == DELIVERIES.c.origin_id)
            .where(_is_head(integration), is_due)
            .order_by(DELIVERIES.c.id)
            .limit(limit)
        )
        return [_to_due(row) for row in await self._fetch(query)]

    async def next_due_at(self, integration: IntegrationId) -> datetime | None:
        """Return when `take_due` will return something; None if nothing waits."""
        query = select(func.min(DELIVERIES.c.next_attempt_at)).where(_is_head(integration))
        return await self._database.read(lambda connection: connection.scalar(query))

    async def mark(self, delivery_id: int, outcome: Outcome) -> None:
        """Store what became of an attempt, and hand it on if need be, once durable."""
        await self._database.write(lambda connection: _mark(connection, delivery_id, outcome))

    async def abandon_others(
        self,
        known: Collection[IntegrationId],
        *,
        heirs: Mapping[str, Sequence[NewDelivery]],
        last_resort: Sequence[NewDelivery],
        at: datetime,
    ) -> int:
        """Fail what waits for integrations that are not `known`; return how many.

        Each is handed to the heirs of its receiver, or to the last resort if that is gone too.
        """
        return await self._database.write(
            lambda connection: _abandon(connection, known, heirs, last_resort, at)
        )

    async def last_sent_at(self) -> Mapping[IntegrationId, datetime]:
        """Return when each integration last accepted something."""
        return await self._by_integration(
            func.max(DELIVERIES.c.sent_at), DELIVERIES.c.sent_at.is_not(None)
        )

    async def count_waiting(self) -> Mapping[IntegrationId, int]:
        """Return how many deliveries wait, by integration."""
        return await self._by_integration(func.count(), DELIVERIES.c.status.in_(WAITING))

    async def prune(self, before: datetime, *, limit: int) -> int:
        """Delete at most `limit` old notifications of which nothing waits; return how many."""
        waiting = exists().where(
            DELIVERIES.c.notification_id == NOTIFICATIONS.c.id, DELIVERIES.c.status.in_(WAITING)
        )
        old = (
            select(NOTIFICATIONS.c.id)
            .where(NOTIFICATIONS.c.created_at < before, ~waiting)
            .order_by(NOTIFICATIONS.c.created_at)
            .limit(limit)
        )
        query = delete(NOTIFICATIONS).where(NOTIFICATIONS.c.id.in_(old))
        return await self._database.write(lambda connection: connection.execute(query).rowcount)

    async def _by_integration(self, value: Any, condition: Any) -> dict[IntegrationId, Any]:
        columns = (
            DELIVERIES.c.receiver,
            DELIVERIES.c.integration,
            DELIVERIES.c.integration_index,
        )
        query = select(*columns, value).where(condition).group_by(*columns)
        return {IntegrationId(*row[:3]): row[3] for row in await self._fetch(query)}

    async def _fetch(self, query: AnySelect) -> Sequence[AnyRow]:
        return await self._database.read(lambda connection: connection.execute(query).all())


def insert_deliveries(
    connection: Connection, outgoing: Sequence[tuple[Notification, Sequence[NewDelivery]]]
) -> None:
    """Put notifications, of a group each, into the outbox as part of the caller's transaction.

    An older one of the same group that still waits for the same integration is superseded if the
    new one mentions every alert that it mentions: then nothing that it says is lost. An event is
    said once only, so what tells one is never superseded; nor is what could not list all. An
    acknowledgement follows what it acknowledges: neither takes the other's place.
    """
    notifications = [notification for notification, deliveries in outgoing if deliveries]
    if not notifications:
        return
    insert_notifications(connection, notifications)
    insert_rows(
        connection,
        [to_row(notification, each) for notification, new in outgoing for each in new],
        acknowledging={each.id for each in notifications if each.acknowledged_by},
    )


def _mark(connection: Connection, delivery_id: int, outcome: Outcome) -> None:
    this = DELIVERIES.c.id == delivery_id
    if not outcome.is_sent:
        # What was superseded meanwhile stays so.
        this = and_(this, DELIVERIES.c.status.in_(WAITING))
    query = update(DELIVERIES).where(this).values(**to_values(outcome))
    if not connection.execute(query).rowcount:
        return
    status = judge(outcome)
    words = outcome.error or outcome.detail
    add_steps(connection, [delivery_id], _STEPS[status], words, outcome.at)
    if not outcome.heirs or status is DeliveryStatus.RETRYING:
        return
    origin = connection.execute(select(DELIVERIES).where(DELIVERIES.c.id == delivery_id)).one()
    if status is DeliveryStatus.FAILED:
        _fall_back(connection, origin, outcome.heirs, outcome.at)
    else:
        # Who was told the beginning in this one's place is told how it goes on, the end above all.
        following = [each for each in outcome.heirs if has_taken_over(connection, origin, each)]
        hand_over(connection, origin, following, outcome.at)


def _fall_back(
    connection: Connection, origin: AnyRow, heirs: Sequence[NewDelivery], at: datetime
) -> None:
    taking = hand_over(connection, origin, heirs, at)
    if taking:
        names = ", ".join(str(each.integration) for each in taking)
        add_steps(connection, [origin.id], StepKind.FELL_BACK, f"to {names}", at)


def _abandon(
    connection: Connection,
    known: Collection[IntegrationId],
    heirs: Mapping[str, Sequence[NewDelivery]],
    last_resort: Sequence[NewDelivery],
    at: datetime,
) -> int:
    columns = (DELIVERIES.c.receiver, DELIVERIES.c.integration, DELIVERIES.c.integration_index)
    keys = [(each.receiver, each.kind, each.index) for each in known]
    lost = connection.execute(
        select(DELIVERIES)
        .where(DELIVERIES.c.status.in_(WAITING), tuple_(*columns).not_in(keys))
        .order_by(DELIVERIES.c.id)
    ).all()
    words = "the integration is not in the configuration any more"
    for row in lost:
        connection.execute(
            update(DELIVERIES)
            .where(DELIVERIES.c.id == row.id)
            .values(status=DeliveryStatus.FAILED.value, next_attempt_at=None, last_error=words)
        )
        add_steps(connection, [row.id], StepKind.FAILED, words, at)
        _fall_back(connection, row, heirs.get(row.receiver, last_resort), at)
    return len(lost)


def _is_waiting_for(integration: IntegrationId, table: Any = DELIVERIES) -> Any:
    return and_(is_for(integration, table), table.c.status.in_(WAITING))


def _is_head(integration: IntegrationId) -> Any:
    """Select what waits with nothing older of its group before it."""
    older = DELIVERIES.alias()
    return and_(
        _is_waiting_for(integration),
        ~exists().where(
            _is_waiting_for(integration, older),
            older.c.group_key == DELIVERIES.c.group_key,
            older.c.id < DELIVERIES.c.id,
        ),
    )


def _to_due(row: AnyRow) -> DueDelivery:
    return DueDelivery(
        id=row.id,
        notification=notification_from_json(row.payload),
        key=row.idempotency_key,
        attempts=row.attempts,
        queued_at=row.queued_at,
        remaining=tuple(row.remaining),
        origin=_to_origin(row),
    )


def _to_origin(row: AnyRow) -> Origin | None:
    """Return what failed; None if nothing did, or if this only follows what once did."""
    if row.origin_status != DeliveryStatus.FAILED.value:
        return None
    integration = IntegrationId(row.origin_receiver, row.origin_kind, row.origin_index)
    return Origin(integration, row.origin_error)
