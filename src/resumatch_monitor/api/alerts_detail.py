"""One alert: what is known of it, what was done about it, and how it went before."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from resumatch_monitor.alerts.alert import AlertStatus
from resumatch_monitor.api.alerts_render import (
    Standings,
    render_alert,
    render_handling,
    render_mute,
    render_number,
)
from resumatch_monitor.api.errors import NotFoundError
from resumatch_monitor.api.notifications import render_delivery
from resumatch_monitor.api.paging import (
    DEFAULT_LIMIT,
    BadCursorError,
    Cursor,
    Limit,
    parse_cursor,
)
from resumatch_monitor.api.timerange import parse_time
from resumatch_monitor.dispatch.handling.handled import (
    HandledAlert,
    HandledReader,
    PastOccurrence,
)
from resumatch_monitor.dispatch.handling.past import figure_out
from resumatch_monitor.dispatch.handling.quality import QualityStore
from resumatch_monitor.dispatch.handling.thresholds import suggest_threshold
from resumatch_monitor.dispatch.handling.timeline import SilenceHistory, Step, build_timeline
from resumatch_monitor.dispatch.reading import DeliveryReader, DeliveryRecord
from resumatch_monitor.kit.clock import (
    from_milliseconds,
    isoformat,
    isoformat_or_none,
    to_milliseconds,
)

_LONGEST_HISTORY = 200
_LONGEST_JOURNAL = 500
_MOST_NOTIFICATIONS = 50
_MOST_BESIDE = 20
_MOST_SILENCES = 500


def add_detail_route(
    router: APIRouter,
    *,
    reader: HandledReader,
    standings: Standings,
    quality: QualityStore,
    deliveries: DeliveryReader,
    silences: SilenceHistory,
    expression: Callable[[str], str | None],
) -> None:
    """Add the page of one alert, which viewers read."""

    @router.get("/{fingerprint}/history")
    async def list_history(
        fingerprint: str, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
    ) -> dict[str, Any]:
        found = await reader.list_past(fingerprint, before=_parse_mark(cursor), limit=limit + 1)
        has_more = len(found) > limit
        return {
            "items": [_render_past(each) for each in found[:limit]],
            "next_cursor": str(to_milliseconds(found[limit - 1].starts_at)) if has_more else None,
        }

    @router.get("/{fingerprint}")
    async def get_alert(
        fingerprint: str, starts_at: Annotated[str | None, Query(max_length=64)] = None
    ) -> dict[str, Any]:
        at = None
        if starts_at is not None:
            at = from_milliseconds(parse_time(starts_at, clock=standings.clock, name="starts_at"))
        latest, past, sent = await asyncio.gather(
            reader.get(fingerprint, at),
            reader.list_past(fingerprint, limit=_LONGEST_HISTORY),
            deliveries.list_deliveries(fingerprint=fingerprint, limit=_MOST_NOTIFICATIONS),
        )
        shown = _choose(fingerprint, latest, at, standings)
        expr = expression(fingerprint)
        return {
            **shown,
            "expr": expr,
            "threshold": _render_threshold(expr, past),
            "history": [_render_past(each) for each in past],
            "figures": {
                **figure_out(past).as_dict(),
                "missed": await quality.count_missed(shown["name"]),
            },
            "notifications": [render_delivery(each) for each in sent],
            **await _describe_present(reader, latest, sent, silences, standings),
        }


def _choose(
    fingerprint: str, stored: HandledAlert | None, at: datetime | None, standings: Standings
) -> dict[str, Any]:
    """Render the occurrence, or the alert that is about to begin another one."""
    if at is None and (stored is None or stored.record.alert.status is AlertStatus.RESOLVED):
        for each in standings.list_pending():
            if each.alert.fingerprint == fingerprint:
                return standings.render(each)
    if stored is None:
        which = "" if at is None else f" that began at {isoformat(at)}"
        raise NotFoundError(f"There is no alert {fingerprint!r}{which}.")
    return standings.render(standings.judge(stored))


def _parse_mark(cursor: str | None) -> datetime | None:
    number = parse_cursor(cursor)
    try:
        return None if number is None else from_milliseconds(number)
    except (OverflowError, OSError, ValueError):
        raise BadCursorError from None


async def _describe_present(
    reader: HandledReader,
    latest: HandledAlert | None,
    sent: Sequence[DeliveryRecord],
    silences: SilenceHistory,
    standings: Standings,
) -> dict[str, Any]:
    if latest is None:
        return {"timeline": [], "beside": [], "mutes": []}
    alert, now = latest.record.alert, standings.clock.now()
    end = alert.starts_at if alert.is_event else alert.ends_at or now
    journal, beside, held = await asyncio.gather(
        reader.list_journal(alert.fingerprint, alert.starts_at, limit=_LONGEST_JOURNAL),
        reader.list_beside(latest.record, limit=_MOST_BESIDE),
        silences.list_between(alert.starts_at, end, labels=alert.labels, limit=_MOST_SILENCES),
    )
    steps = build_timeline(alert, journal=journal, sent=sent, silences=held, now=now)
    return {
        "mutes": [render_mute(mute) for mute in standings.find_mutes(alert)],
        "timeline": [_render_step(step) for step in steps],
        "beside": [
            render_alert(each, receivers=standings.receivers(each.alert.labels)) for each in beside
        ],
    }


def _render_threshold(expr: str | None, past: Sequence[PastOccurrence]) -> dict[str, Any] | None:
    suggestion = None if expr is None else suggest_threshold(expr, past)
    return None if suggestion is None else suggestion.as_dict()


def _render_past(past: PastOccurrence) -> dict[str, Any]:
    return {
        "starts_at": isoformat(past.starts_at),
        "ends_at": isoformat_or_none(past.ends_at),
        "duration_seconds": past.duration_seconds,
        "value": render_number(past.value),
        "acknowledged_at": isoformat_or_none(past.acknowledged_at),
        "acknowledged_by": past.acknowledged_by or None,
        "acknowledged_after_seconds": past.acknowledged_after_seconds,
        "handling": None if past.handling is None else render_handling(past.handling),
    }


def _render_step(step: Step) -> dict[str, Any]:
    return {
        "at": isoformat(step.at),
        "action": step.action,
        "actor": step.actor or None,
        "via": step.via or None,
        "text": step.text or None,
        "notification_id": step.notification_id or None,
        "status": step.status or None,
    }
