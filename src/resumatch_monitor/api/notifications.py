"""Notifications: what was sent to whom, what waits, what failed and why."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from resumatch_monitor.api.errors import ApiError, NotFoundError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.paging import DEFAULT_LIMIT, Cursor, Limit, parse_cursor, parse_number
from resumatch_monitor.api.timerange import parse_time
from resumatch_monitor.dispatch.reading import (
    DeliveryDetail,
    DeliveryLog,
    DeliveryQuery,
    DeliveryReader,
    DeliveryRecord,
    DeliveryStatus,
)
from resumatch_monitor.kit.clock import Clock, from_milliseconds, isoformat, isoformat_or_none
from resumatch_monitor.notify.notification import Notification

_Name = Annotated[str | None, Query(max_length=200)]
_Time = Annotated[str | None, Query(max_length=100)]
_From = Annotated[str | None, Query(alias="from", max_length=100)]


def build_router(
    *,
    deliveries: DeliveryReader,
    log: DeliveryLog,
    render_message: Callable[[Notification], Awaitable[str]],
    on_retry: Callable[[], None],
    clock: Clock,
    guard: Guard,
) -> APIRouter:
    """Return the routes under `/api/monitor/notifications`.

    Args:
        deliveries: What was and will be sent.
        log: Finds it and knows its way.
        render_message: Renders what a notification says, as text.
        on_retry: Called when a delivery was queued again.
        clock: Tells when.
        guard: Lets viewers read and editors retry.
    """
    router = APIRouter(prefix="/api/monitor/notifications")

    @router.get("", dependencies=[Depends(guard.viewer)])
    async def list_notifications(
        status: DeliveryStatus | None = None,
        receiver: _Name = None,
        integration: _Name = None,
        text: _Name = None,
        from_: _From = None,
        to: _Time = None,
        cursor: Cursor = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> dict[str, Any]:
        wanted = DeliveryQuery(
            status=status,
            receiver=receiver,
            integration=integration,
            text=(text or "").strip(),
            since=_parse_moment(from_, clock, "from"),
            until=_parse_moment(to, clock, "to"),
        )
        found = await log.find_deliveries(wanted, before_id=parse_cursor(cursor), limit=limit + 1)
        return {
            "items": [render_delivery(each) for each in found[:limit]],
            "next_cursor": str(found[limit - 1].id) if len(found) > limit else None,
        }

    @router.get("/{notification_id}", dependencies=[Depends(guard.viewer)])
    async def get_notification(notification_id: str) -> dict[str, Any]:
        delivery_id = parse_number(notification_id)
        detail = None if delivery_id is None else await log.get_detail(delivery_id)
        if detail is None:
            raise NotFoundError(f"There is no notification {notification_id!r}.")
        return _render_detail(detail, await render_message(detail.notification))

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


def _parse_moment(text: str | None, clock: Clock, name: str) -> datetime | None:
    return None if not text else from_milliseconds(parse_time(text, clock=clock, name=name))


def _render_detail(detail: DeliveryDetail, message: str) -> dict[str, Any]:
    said = detail.notification
    return {
        **render_delivery(detail.record),
        "steps": [
            {"at": isoformat(each.at), "step": each.kind.value, "detail": each.detail}
            for each in detail.steps
        ],
        "message": message,
        "is_drill": said.is_drill,
        "escalation": said.escalation or None,
        "group_labels": dict(said.group_labels),
        "thread_id": said.thread_id,
    }


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
        "detail": record.detail or None,
        "fallback_of": None if record.origin_id is None else str(record.origin_id),
        "fell_back_to": [str(each) for each in record.heir_ids],
        "drill_id": record.drill_id or None,
        "next_attempt_at": isoformat_or_none(record.next_attempt_at),
        "alerts": [
            {"fingerprint": each.fingerprint, "name": each.name, "status": each.status}
            for each in record.alerts
        ],
    }
