"""Probes, their outages and their response times."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from resumatch_monitor.api.errors import NotFoundError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.paging import DEFAULT_LIMIT, BadCursorError, Cursor, Limit, parse_cursor
from resumatch_monitor.api.timerange import parse_time_range
from resumatch_monitor.kit.clock import Clock, isoformat, isoformat_or_none
from resumatch_monitor.probes.reader import ProbeReader, ProbeView
from resumatch_monitor.probes.store import Episode
from resumatch_monitor.probes.uptime import Beat, StoredResult


def build_router(*, reader: ProbeReader, clock: Clock, guard: Guard) -> APIRouter:
    """Return the routes under `/api/monitor/probes`."""
    router = APIRouter(prefix="/api/monitor/probes", dependencies=[Depends(guard.viewer)])

    async def find(probe_id: str) -> ProbeView:
        view = await reader.find_probe(probe_id)
        if view is None:
            raise NotFoundError(f"There is no probe {probe_id!r}.")
        return view

    def check(probe_id: str) -> None:
        if probe_id not in reader.ids:
            raise NotFoundError(f"There is no probe {probe_id!r}.")

    @router.get("")
    async def list_probes(limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> dict[str, Any]:
        ids = reader.ids
        start = _find_start(ids, cursor)
        views = await reader.list_probes(ids[start : start + limit])
        is_last = start + limit >= len(ids)
        return {
            "items": [render_probe(view, clock.now()) for view in views],
            "next_cursor": None if is_last else ids[start + limit - 1],
        }

    @router.get("/{probe_id}")
    async def get_probe(probe_id: str) -> dict[str, Any]:
        return render_probe(await find(probe_id), clock.now())

    @router.get("/{probe_id}/outages")
    async def list_outages(
        probe_id: str, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
    ) -> dict[str, Any]:
        check(probe_id)
        before_id = parse_cursor(cursor)
        outages = await reader.find_outages(probe_id, before_id=before_id, limit=limit + 1)
        page = outages[:limit]
        return {
            "items": [render_outage(outage, clock.now()) for outage in page],
            "next_cursor": str(page[-1].id) if len(outages) > limit else None,
        }

    @router.get("/{probe_id}/results")
    async def read_results(
        probe_id: str,
        from_: Annotated[str | None, Query(alias="from")] = None,
        to: str | None = None,
        max_points: int | None = None,
    ) -> dict[str, Any]:
        check(probe_id)
        span = parse_time_range(
            from_, to, max_points, clock, min_step_ms=reader.interval_ms(probe_id)
        )
        times = await reader.read_response_times(
            probe_id,
            from_ms=span.from_ms,
            # The range is aligned downwards; what was seen since belongs to the last step.
            to_ms=span.to_ms + span.step_ms - 1,
            step_ms=span.step_ms,
        )
        return {
            "from_ms": span.from_ms,
            "to_ms": span.to_ms,
            "step_ms": span.step_ms,
            "t": [point.at_ms for point in times.points],
            "series": [
                {
                    "name": "response time",
                    "labels": {},
                    "v": [point.duration_seconds for point in times.points],
                }
            ],
            "outages": [render_outage(outage, clock.now()) for outage in times.outages],
        }

    return router


def render_probe(view: ProbeView, now: datetime) -> dict[str, Any]:
    """Return a PROBE as docs/http-api.md describes it."""
    return {
        "id": view.id,
        "name": view.name,
        "type": view.type,
        "target": view.target,
        "status": view.status,
        "since": isoformat_or_none(view.since),
        "last_result": None if view.last_result is None else _render_result(view.last_result),
        "interval_seconds": view.interval.total_seconds(),
        "uptime": dict(view.uptime),
        "beats": [_render_beat(beat) for beat in view.beats],
        "outage": None if view.outage is None else render_outage(view.outage, now),
    }


def render_outage(outage: Episode, now: datetime) -> dict[str, Any]:
    """Return an OUTAGE as docs/http-api.md describes it."""
    end = outage.ended_at or max(now, outage.started_at)
    return {
        "id": str(outage.id),
        "probe_id": outage.probe_id,
        "started_at": isoformat(outage.started_at),
        "opened_at": isoformat(outage.opened_at),
        "ended_at": isoformat_or_none(outage.ended_at),
        "duration_seconds": (end - outage.started_at).total_seconds(),
        "cause": outage.cause,
        "is_open": outage.ended_at is None,
    }


def _render_result(result: StoredResult) -> dict[str, Any]:
    return {
        "at": isoformat(result.at),
        "success": result.status != "down",
        "duration_seconds": result.duration_seconds,
        "message": result.message,
        "status_code": result.status_code,
    }


def _render_beat(beat: Beat) -> dict[str, Any]:
    return {
        "at": isoformat(beat.at),
        "state": "none" if beat.status is None else beat.status,
        "duration_seconds": beat.duration_seconds,
    }


def _find_start(ids: Sequence[str], cursor: str | None) -> int:
    if not cursor:
        return 0
    if cursor not in ids:
        raise BadCursorError
    return ids.index(cursor) + 1
