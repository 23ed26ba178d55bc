"""Alerts: what fires, what is pending, what was."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal

from fastapi import APIRouter, Depends

from resumatch_monitor.alerts.alert import Alert, AlertStatus
from resumatch_monitor.api.errors import NotFoundError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.notifications import render_delivery
from resumatch_monitor.api.paging import (
    DEFAULT_LIMIT,
    BadCursorError,
    Cursor,
    Limit,
    parse_number,
)
from resumatch_monitor.dispatch.reading import AlertReader, AlertRecord, DeliveryReader, PageMark
from resumatch_monitor.kit.clock import (
    from_milliseconds,
    isoformat,
    isoformat_or_none,
    to_milliseconds,
)
from resumatch_monitor.metrics.labels import Labels

_LONGEST_HISTORY = 100
_MOST_NOTIFICATIONS = 50

StatusName = Literal["firing", "pending", "resolved"]


def build_router(
    *,
    alerts: AlertReader,
    deliveries: DeliveryReader,
    pending: Callable[[], Sequence[Alert]],
    expression: Callable[[str], str | None],
    receivers: Callable[[Labels], Sequence[str]],
    has_channel: Callable[[], bool],
    guard: Guard,
) -> APIRouter:
    """Return the routes under `/api/monitor/alerts`.

    Args:
        alerts: Firing and resolved alerts.
        deliveries: What was sent about them.
        pending: The alerts whose condition has not held for long enough, most recent first.
        expression: The query behind an alert's fingerprint, if it comes from a rule.
        receivers: Who hears of an alert with these labels.
        has_channel: Whether any alert can reach anybody outside the monitor's own pages.
        guard: Lets viewers in.
    """
    router = APIRouter(prefix="/api/monitor/alerts", dependencies=[Depends(guard.viewer)])

    def render(record: AlertRecord) -> dict[str, Any]:
        return render_alert(record, receivers=receivers(record.alert.labels))

    @router.get("")
    async def list_alerts(
        status: StatusName | None = None,
        severity: str | None = None,
        cursor: Cursor = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> dict[str, Any]:
        start = _Cursor.parse(cursor)
        items: list[dict[str, Any]] = []
        if status in (None, "pending") and start.mark is None:
            waiting = [each for each in pending() if severity in (None, each.severity)]
            page = waiting[start.offset : start.offset + limit]
            items.extend(render_pending(each, receivers=receivers(each.labels)) for each in page)
            if start.offset + limit < len(waiting):
                return _page(items, f"p{start.offset + limit}", has_channel())
        room = limit - len(items)
        if status == "pending" or room == 0:
            more = None if status == "pending" else f"p{start.offset + limit}"
            return _page(items, more, has_channel())
        records = await alerts.list_alerts(
            status=None if status is None else AlertStatus(status),
            severity=severity,
            after=start.mark,
            limit=room + 1,
        )
        items.extend(render(record) for record in records[:room])
        more = render_mark(records[room - 1].mark) if len(records) > room else None
        return _page(items, more, has_channel())

    @router.get("/{fingerprint}")
    async def get_alert(fingerprint: str) -> dict[str, Any]:
        record = await alerts.get_alert(fingerprint)
        waiting = next((each for each in pending() if each.fingerprint == fingerprint), None)
        is_pending = waiting is not None and (
            record is None or record.alert.status is AlertStatus.RESOLVED
        )
        if is_pending and waiting is not None:
            shown = render_pending(waiting, receivers=receivers(waiting.labels))
        elif record is not None:
            shown = render(record)
        else:
            raise NotFoundError(f"There is no alert {fingerprint!r}.")
        history = await alerts.get_history(fingerprint, limit=_LONGEST_HISTORY)
        sent = await deliveries.list_deliveries(fingerprint=fingerprint, limit=_MOST_NOTIFICATIONS)
        return {
            **shown,
            "history": [
                {"starts_at": isoformat(each.starts_at), "ends_at": isoformat_or_none(each.ends_at)}
                for each in history
            ],
            "notifications": [render_delivery(each) for each in sent],
            "expr": expression(fingerprint),
            "threshold_hint": None,
        }

    return router


def render_alert(record: AlertRecord, *, receivers: Sequence[str]) -> dict[str, Any]:
    """Render an alert that fires, has resolved, or is an event."""
    alert = record.alert
    # An event has no duration: it is over when it is told.
    status = AlertStatus.RESOLVED if alert.is_event else alert.status
    return {
        **_render(alert, status.value, receivers),
        "ends_at": isoformat_or_none(alert.starts_at if alert.is_event else alert.ends_at),
        "notified_at": isoformat_or_none(record.notified_at),
    }


def render_pending(alert: Alert, *, receivers: Sequence[str]) -> dict[str, Any]:
    """Render an alert whose condition has not held for long enough."""
    return {**_render(alert, "pending", receivers), "ends_at": None, "notified_at": None}


def render_mark(mark: PageMark) -> str:
    """Render a cursor."""
    return f"s{to_milliseconds(mark.at)}-{mark.id}"


def _render(alert: Alert, status: str, receivers: Sequence[str]) -> dict[str, Any]:
    return {
        "fingerprint": alert.fingerprint,
        "name": alert.name,
        "severity": alert.severity,
        "status": status,
        "source": alert.source.value,
        "is_event": alert.is_event,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "starts_at": isoformat(alert.starts_at),
        "value": _number(alert.value),
        "path": alert.generator_path or f"/alerts/{alert.fingerprint}",
        "receivers": list(receivers),
    }


def _number(value: float | None) -> float | None:
    # JSON has neither infinity nor NaN.
    return value if value is not None and abs(value) < float("inf") else None


def _page(
    items: Sequence[dict[str, Any]], next_cursor: str | None, has_channel: bool
) -> dict[str, Any]:
    return {"items": items, "next_cursor": next_cursor, "has_channel": has_channel}


class _Cursor:
    """Where a page begins: among the pending ones, or after a stored one."""

    __slots__ = ("mark", "offset")

    def __init__(self, *, offset: int = 0, mark: PageMark | None = None) -> None:
        self.offset = offset
        self.mark = mark

    @classmethod
    def parse(cls, text: str | None) -> "_Cursor":
        if not text:
            return cls()
        numbers = [parse_number(part) for part in text[1:].split("-")]
        match text[0], numbers:
            case "p", [int(offset)]:
                return cls(offset=offset)
            case "s", [int(at_ms), int(last_id)]:
                with suppress(OverflowError, OSError, ValueError):
                    return cls(mark=PageMark(from_milliseconds(at_ms), last_id))
            case _:
                pass
        raise BadCursorError
