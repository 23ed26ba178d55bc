"""Notifications: what was sent to whom, what waits, what failed and why."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Depends

from resumatch_monitor.api.errors import ApiError, NotFoundError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.paging import DEFAULT_LIMIT, Cursor, Limit, parse_cursor, parse_number
from resumatch_monitor.dispatch.reading import (
    DeliveryReader,
    DeliveryRecord,
    DeliveryStatus,
)
from resumatch_monitor.kit.clock import Clock, isoformat, isoformat_or_none


def build_router(
    *,
    deliveries: DeliveryReader,
    on_retry: Callable[[], None],
    clock: Clock,
    guard: Guard,
) -> APIRouter:
    """Return the routes under `/api/monitor/notifications`.

    Args:
        deliveries: What was and will be sent.
        on_retry: Called when a delivery was queued again.
        clock: Tells when.
        guard: Lets viewers read and editors retry.
    """
    router = APIRouter(prefix="/api/monitor/notifications")

    @router.get("", dependencies=[Depends(guard.viewer)])
    async def list_notifications(
        status: DeliveryStatus | None = None,
        cursor: Cursor = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> dict[str, Any]:
        found = await deliveries.list_deliveries(
            status=status, before_id=parse_cursor(cursor), limit=limit + 1
        )
        return {
            "items": [render_delivery(each) for each in found[:limit]],
            "next_cursor": str(found[limit - 1].id) if len(found) > limit else None,
        }

    @router.post("/{notification_id}/retry", dependencies=[Depends(guard.editor)])
    async def retry(notification_id: str) -> dict[str, Any]:
        missing = NotFoundError(f"There is no notification {notification_id!r}.")
        delivery_id = parse_number(notification_id)
        if delivery_id is None:
            raise missing
        was_queued = await deliveries.requeue(delivery_id, at=clock.now())
        record = await deliveries.get_delivery(delivery_id)
        if record is None:
            raise missing
        if not was_queued:
            raise ApiError(
                HTTPStatus.CONFLICT,
                "not_failed",
                f"Only a failed notification can be sent again; this one is {record.status}.",
            )
        on_retry()
        return render_delivery(record)

    return router


def render_delivery(record: DeliveryRecord) -> dict[str, Any]:
    """Render a notification on its way to one integration."""
    return {
        "id": str(record.id),
        "receiver": record.receiver,
        "integration": record.integration,
        "destination": record.destination,
        "status": record.status.value,
        "kind": record.kind,
        "title": record.title,
        "created_at": isoformat(record.created_at),
        "sent_at": isoformat_or_none(record.sent_at),
        "attempts": record.attempts,
        "last_error": record.last_error or None,
        "next_attempt_at": isoformat_or_none(record.next_attempt_at),
        "alerts": [
            {"fingerprint": each.fingerprint, "name": each.name, "status": each.status}
            for each in record.alerts
        ],
    }
