"""Notifications: what was sent to whom, what waits, what failed and why."""

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from resumatch_monitor.api.errors import ApiError, BadRequestError, NotFoundError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.dispatch.reading import (
    DeliveryReader,
    DeliveryRecord,
    DeliveryStatus,
    PageMark,
)
from resumatch_monitor.kit.clock import Clock, isoformat

_DEFAULT_LIMIT = 50
_LARGEST_LIMIT = 200

Limit = Annotated[int, Query(ge=1, le=_LARGEST_LIMIT)]


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
        cursor: str | None = None,
        limit: Limit = _DEFAULT_LIMIT,
    ) -> dict[str, Any]:
        after = None if not cursor else PageMark(clock.now(), _parse_id(cursor, _bad_cursor()))
        found = await deliveries.list_deliveries(status=status, after=after, limit=limit + 1)
        return {
            "items": [render_delivery(each) for each in found[:limit]],
            "next_cursor": str(found[limit - 1].id) if len(found) > limit else None,
        }

    @router.post("/{notification_id}/retry", dependencies=[Depends(guard.editor)])
    async def retry(notification_id: str) -> dict[str, Any]:
        missing = NotFoundError(f"There is no notification {notification_id!r}.")
        delivery_id = _parse_id(notification_id, missing)
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
        "sent_at": _moment(record.sent_at),
        "attempts": record.attempts,
        "last_error": record.last_error or None,
        "next_attempt_at": _moment(record.next_attempt_at),
        "alerts": [
            {"fingerprint": each.fingerprint, "name": each.name, "status": each.status}
            for each in record.alerts
        ],
    }


def _parse_id(text: str, error: ApiError) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise error
    return int(text)


def _bad_cursor() -> ApiError:
    return BadRequestError("The cursor is not one that was given out.")


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else isoformat(moment)
