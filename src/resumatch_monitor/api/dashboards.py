"""Dashboards: their panels, and the data of all panels in one answer."""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import orjson
from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from resumatch_monitor.api.charts import matrix_to_columns
from resumatch_monitor.api.errors import NotFoundError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.timerange import TimeRange, parse_time_range
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.promql.runner import Querier
from resumatch_monitor.promql.value import Matrix, QueryError

logger = logging.getLogger(__name__)

MOST_SERIES_PER_PANEL = 50
_QUERIES_AT_ONCE = 3
_FRESH_SECONDS = 5.0
_LARGEST_CACHE_BYTES = 16 * 1024 * 1024
_FINEST_STEP_MS = 5_000


class _Part(BaseModel):
    """A part of a dashboard file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Grid(_Part):
    """Where a panel stands on the grid of 24 columns."""

    x: int = Field(ge=0, lt=24)
    y: int = Field(ge=0)
    w: int = Field(gt=0, le=24)
    h: int = Field(gt=0, le=50)


class PanelQuery(_Part):
    """An expression and the name of its series, in which `{{label}}` is replaced."""

    expr: str
    legend: str = ""


class Panel(_Part):
    """A chart."""

    id: int
    title: str
    unit: Literal["percent", "seconds", "per_hour", "bytes", "count", "ratio", "per_second"]
    kind: Literal["line", "stacked", "stat"] = "line"
    grid: Grid
    description: str = ""
    queries: list[PanelQuery] = Field(min_length=1, max_length=10)
    threshold: float | None = None


class Dashboard(_Part):
    """A page of panels."""

    slug: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    title: str
    description: str = ""
    panels: list[Panel] = Field(max_length=100)


def load_dashboards(paths: Iterable[Path]) -> list[Dashboard]:
    """Read dashboard files.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If a file is not a dashboard; the message names the field.
    """
    return [Dashboard.model_validate_json(path.read_bytes()) for path in paths]


def build_router(
    *, dashboards: Sequence[Dashboard], querier: Querier, clock: Clock, guard: Guard
) -> APIRouter:
    """Return the routes under `/api/monitor/dashboards`."""
    router = APIRouter(prefix="/api/monitor/dashboards", dependencies=[Depends(guard.viewer)])
    by_slug = {dashboard.slug: dashboard for dashboard in dashboards}
    cache = _DataCache(querier=querier, clock=clock)

    def find(slug: str) -> Dashboard:
        if slug not in by_slug:
            raise NotFoundError(f"There is no dashboard {slug!r}.")
        return by_slug[slug]

    @router.get("")
    async def list_dashboards() -> dict[str, Any]:
        items = [
            {"slug": each.slug, "title": each.title, "description": each.description}
            for each in dashboards
        ]
        return {"items": items, "next_cursor": None}

    @router.get("/{slug}")
    async def get_dashboard(slug: str) -> dict[str, Any]:
        return find(slug).model_dump(mode="json")

    @router.get("/{slug}/data")
    async def get_data(
        slug: str,
        from_: Annotated[str | None, Query(alias="from")] = None,
        to: str | None = None,
        max_points: int | None = None,
        if_none_match: Annotated[str, Header()] = "",
    ) -> Response:
        dashboard = find(slug)
        span = parse_time_range(from_, to, max_points, clock, min_step_ms=_FINEST_STEP_MS)
        answer = await cache.get(dashboard, span)
        headers = {"ETag": answer.etag, "Cache-Control": "private, no-cache"}
        if _is_known(answer.etag, if_none_match):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(answer.body, media_type="application/json", headers=headers)

    return router


@dataclass(frozen=True, slots=True)
class _Answer:
    """A rendered answer and what identifies it."""

    body: bytes
    etag: str


@dataclass(slots=True)
class _Entry:
    """An answer that is being made or was made at a monotonic time."""

    task: "asyncio.Task[_Answer]"
    made_at: float | None = None


class _DataCache:
    """Makes each answer once for everybody who asks for it at about the same time."""

    def __init__(self, *, querier: Querier, clock: Clock) -> None:
        self._querier = querier
        self._clock = clock
        self._entries: OrderedDict[tuple[str, TimeRange], _Entry] = OrderedDict()
        self._slots = asyncio.Semaphore(_QUERIES_AT_ONCE)

    async def get(self, dashboard: Dashboard, span: TimeRange) -> _Answer:
        key = (dashboard.slug, span)
        entry = self._entries.get(key)
        if entry is None or not self._is_usable(entry):
            entry = _Entry(asyncio.create_task(self._make(dashboard, span)))
            self._entries[key] = entry
        self._entries.move_to_end(key)
        # Shielded: one reader who goes away must not take the answer from the others.
        try:
            answer = await asyncio.shield(entry.task)
        except Exception:
            self._entries.pop(key, None)
            raise
        if entry.made_at is None:
            entry.made_at = self._clock.monotonic()
            self._shrink()
        return answer

    def _is_usable(self, entry: _Entry) -> bool:
        if not entry.task.done():
            return True
        return (
            entry.made_at is not None and self._clock.monotonic() - entry.made_at < _FRESH_SECONDS
        )

    def _shrink(self) -> None:
        now = self._clock.monotonic()
        for key, entry in list(self._entries.items()):
            if entry.made_at is not None and now - entry.made_at >= _FRESH_SECONDS:
                del self._entries[key]
        sizes = {
            key: len(entry.task.result().body)
            for key, entry in self._entries.items()
            if entry.made_at is not None
        }
        total = sum(sizes.values())
        for key, size in sizes.items():
            if total <= _LARGEST_CACHE_BYTES:
                return
            total -= size
            del self._entries[key]

    async def _make(self, dashboard: Dashboard, span: TimeRange) -> _Answer:
        panels = await asyncio.gather(*(self._evaluate(each, span) for each in dashboard.panels))
        document = {
            "from_ms": span.from_ms,
            "to_ms": span.to_ms,
            "step_ms": span.step_ms,
            "panels": panels,
        }
        body = await asyncio.to_thread(orjson.dumps, document)
        digest = hashlib.blake2b(body, digest_size=12).hexdigest()
        return _Answer(body, f'"{digest}"')

    async def _evaluate(self, panel: Panel, span: TimeRange) -> dict[str, Any]:
        times = list(range(span.from_ms, span.to_ms + 1, span.step_ms))
        try:
            answers = await asyncio.gather(*(self._query(each, span) for each in panel.queries))
        except QueryError as error:
            return _render_failure(panel, times, str(error))
        except Exception:
            logger.exception("The panel %s cannot be evaluated", panel.title)
            message = "The monitor failed to evaluate this panel; its own log has the details."
            return _render_failure(panel, times, message)
        series = [each for answer in answers for each in answer.series]
        left_out = sum(answer.left_out for answer in answers)
        return {
            "id": panel.id,
            "t": times,
            "series": series[:MOST_SERIES_PER_PANEL],
            "truncated_series": left_out + max(0, len(series) - MOST_SERIES_PER_PANEL),
            "error": None,
        }

    async def _query(self, query: PanelQuery, span: TimeRange) -> "_Columns":
        async with self._slots:
            matrix = await self._querier.range(
                query.expr, start_ms=span.from_ms, end_ms=span.to_ms, step_ms=span.step_ms
            )
        return await asyncio.to_thread(_render_columns, matrix, query.legend)


@dataclass(frozen=True, slots=True)
class _Columns:
    """The series of one query, and how many more there were."""

    series: list[object]
    left_out: int


def _render_columns(matrix: Matrix, legend: str) -> _Columns:
    columns = matrix_to_columns(matrix, legend, max_series=MOST_SERIES_PER_PANEL)
    series = cast("list[object]", columns["series"])
    return _Columns(series, len(matrix.labels) - len(series))


def _render_failure(panel: Panel, times: Sequence[int], message: str) -> dict[str, Any]:
    return {"id": panel.id, "t": times, "series": [], "truncated_series": 0, "error": message}


def _is_known(etag: str, if_none_match: str) -> bool:
    known = (each.strip().removeprefix("W/") for each in if_none_match.split(","))
    return any(each in (etag, "*") for each in known)
