"""Searching logs: records, when they came, with which values."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query

from resumatch_monitor.api.errors import NotFoundError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.logs_query import LARGEST_SEQ, Search
from resumatch_monitor.api.logs_render import render_page, render_record
from resumatch_monitor.api.timerange import choose_step
from resumatch_monitor.kit.clock import Clock, from_milliseconds, isoformat
from resumatch_monitor.logs.fields import resolve_field
from resumatch_monitor.logs.query.tree import Everything
from resumatch_monitor.logs.store import LogPage, LogQuery, LogReader
from resumatch_monitor.logs.survey import survey_fields

_LIMIT = 100
_LIMIT_MAX = 1_000
_BUCKETS = 60
_CONTEXT_MAX = 200
_VALUES_MAX = 100
_SURVEYED = 500
_SURVEYED_MAX = 1_000
_FIELDS_MAX = 1_000


_Seq = Annotated[int, Path(ge=0, lt=LARGEST_SEQ)]


def build_router(*, logs: LogReader, guard: Guard, clock: Clock) -> APIRouter:
    """Return the routes that read, for viewers."""
    router = APIRouter(prefix="/api/monitor/logs", dependencies=[Depends(guard.viewer)])

    @router.get("")
    async def search(
        parameters: Search,
        limit: Annotated[int, Query(ge=1, le=_LIMIT_MAX)] = _LIMIT,
        cursor: Annotated[int | None, Query(ge=0, lt=LARGEST_SEQ)] = None,
        order: Annotated[str, Query(pattern="^(newest|oldest)$")] = "newest",
    ) -> dict[str, Any]:
        page = await logs.search(
            parameters.to_query(clock),
            limit=limit,
            after=cursor,
            is_newest_first=order == "newest",
        )
        return render_page(page)

    @router.get("/count")
    async def count(parameters: Search) -> dict[str, Any]:
        found = await logs.count(parameters.to_query(clock))
        return {"count": found.total, "is_complete": found.is_complete}

    @router.get("/fields")
    async def fields(
        parameters: Search,
        sample: Annotated[int, Query(ge=1, le=_SURVEYED_MAX)] = _SURVEYED,
    ) -> dict[str, Any]:
        page = await logs.search(parameters.to_query(clock), limit=sample)
        records = [item.record for item in page.items]
        uses = await asyncio.to_thread(survey_fields, records)
        return {
            "sampled": len(records),
            "fields": [
                {"name": use.name, "records": use.records, "is_attribute": use.is_attribute}
                for use in uses[:_FIELDS_MAX]
            ],
            "others": max(0, len(uses) - _FIELDS_MAX),
        }

    @router.get("/histogram")
    async def histogram(
        parameters: Search,
        buckets: Annotated[int, Query(ge=2, le=500)] = _BUCKETS,
    ) -> dict[str, Any]:
        query = parameters.to_query(clock)
        step_ms = choose_step((query.end_us - query.start_us) // 1_000, buckets)
        found = await logs.histogram(query, step_us=step_ms * 1_000)
        return {
            "step_seconds": step_ms / 1_000,
            "buckets": [
                {
                    "start": isoformat(from_milliseconds(bucket.start_us // 1_000)),
                    "counts": bucket.by_severity,
                }
                for bucket in found
            ],
            "total": sum(sum(bucket.by_severity.values()) for bucket in found),
        }

    @router.get("/values")
    async def values(
        parameters: Search,
        field: Annotated[str, Query(min_length=1, max_length=200)],
        limit: Annotated[int, Query(ge=1, le=_VALUES_MAX)] = 10,
    ) -> dict[str, Any]:
        query, name = parameters.to_query(clock), resolve_field(field)
        top = await logs.top_values(query, name, limit=limit)
        statistics = await logs.statistics(query, name)
        return {
            "field": name,
            "values": [{"value": value, "count": count} for value, count in top.values],
            "others": top.others,
            "having": top.having,
            "statistics": {
                "count": statistics.count,
                "min": statistics.minimum,
                "max": statistics.maximum,
                "mean": statistics.mean,
                "sum": statistics.total,
            },
        }

    @router.get("/{seq}")
    async def record(seq: _Seq) -> dict[str, Any]:
        found = await logs.find(seq)
        if found is None:
            raise NotFoundError("There is no such record; it may have expired.")
        return render_record(found)

    @router.get("/{seq}/context")
    async def context(
        seq: _Seq,
        limit: Annotated[int, Query(ge=1, le=_CONTEXT_MAX)] = 20,
    ) -> dict[str, Any]:
        return {
            "before": _items(await _around(logs, seq, limit, is_newest_first=True)),
            "after": _items(await _around(logs, seq, limit, is_newest_first=False)),
        }

    return router


async def _around(logs: LogReader, seq: int, limit: int, *, is_newest_first: bool) -> LogPage:
    return await logs.search(
        LogQuery(Everything()), limit=limit, after=seq, is_newest_first=is_newest_first
    )


def _items(page: LogPage) -> list[dict[str, Any]]:
    return [render_record(item) for item in page.items]
