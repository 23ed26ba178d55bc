"""`GET /api/monitor/logs/patterns`: what messages have in common."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.logs_query import Search
from resumatch_monitor.api.logs_render import render_record, render_time
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.logs.patterns import (
    MAX_SAMPLE,
    LogPattern,
    mark_new,
    mine_patterns,
    sample_records,
)
from resumatch_monitor.logs.store import LogReader

_SAMPLE = 2_000
_LIMIT = 50
_LIMIT_MAX = 200


def build_router(*, logs: LogReader, guard: Guard, clock: Clock) -> APIRouter:
    """Return the route, for viewers."""
    router = APIRouter(prefix="/api/monitor/logs", dependencies=[Depends(guard.viewer)])
    # It computes for a second: one after the other.
    turn = asyncio.Lock()

    @router.get("/patterns")
    async def patterns(
        parameters: Search,
        sample: Annotated[int, Query(ge=1, le=MAX_SAMPLE)] = _SAMPLE,
        limit: Annotated[int, Query(ge=1, le=_LIMIT_MAX)] = _LIMIT,
        release: Annotated[str, Query(max_length=512)] = "",
    ) -> dict[str, Any]:
        query = parameters.to_query(clock)
        async with turn:
            records = await sample_records(logs, query, sample)
            found = await asyncio.to_thread(mine_patterns, records)
        shown = found[:limit]
        if release:
            shown = await mark_new(logs, shown, release)
        return {
            "sampled": len(records),
            "patterns": [_render(each, len(records)) for each in shown],
            "others": sum(each.count for each in found[limit:]),
        }

    return router


def _render(pattern: LogPattern, sampled: int) -> dict[str, Any]:
    return {
        "template": pattern.template,
        "query": pattern.query,
        "count": pattern.count,
        "share": pattern.count / sampled,
        "first_seen": render_time(pattern.first_us),
        "last_seen": render_time(pattern.last_us),
        "severities": pattern.severities,
        "services": list(pattern.services),
        "is_new": pattern.is_new,
        "example": render_record(pattern.example),
    }
