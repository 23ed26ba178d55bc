"""Performance: endpoints, what is wrong at them, web vitals."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from resumatch_monitor.api.errors import BadRequestError, NotFoundError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.paging import DEFAULT_LIMIT, BadCursorError, Cursor, Limit, parse_cursor
from resumatch_monitor.api.performance_render import PerformanceRenderer
from resumatch_monitor.api.timerange import parse_time
from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.tracing.performance.config import PerformanceConfig
from resumatch_monitor.tracing.performance.model import DURATION, VITALS
from resumatch_monitor.tracing.performance.store import (
    CALLS_FINE_SECONDS,
    FINE_SECONDS,
    EndpointFilter,
    FindingFilter,
    PerformanceReader,
    PerformanceSort,
    Window,
)
from resumatch_monitor.tracing.performance.windows import choose_window

T = TypeVar("T")

_LONGEST_LIST = timedelta(hours=6)
_LONGEST_ENDPOINT = timedelta(hours=24)
_LONGEST_CALLS = timedelta(hours=12)
_LONGEST_MS = 400 * 86_400_000
_EXAMPLES_MAX = 20
_FINDINGS_MAX = 50


class Asked(BaseModel):
    """The parameters that all questions have."""

    model_config = ConfigDict(extra="ignore")

    project: Annotated[int | None, Field(ge=0, lt=2**53)] = None
    environment: str | None = Field(default=None, max_length=200)
    op: str | None = Field(default=None, max_length=200)
    query: str = Field(default="", max_length=250)
    from_: str = Field(default="now-1h", alias="from", max_length=64)
    to: str = Field(default="now", max_length=64)

    def to_filter(self, *, name: str = "") -> EndpointFilter:
        """Return what is asked for; an empty environment or operation means all."""
        return EndpointFilter(
            project_id=self.project,
            environment=self.environment or None,
            op=self.op or None,
            name=name,
            query=self.query.strip(),
        )


@dataclass(frozen=True, slots=True)
class PerformanceSources:
    """Who answers what is asked about performance."""

    reader: PerformanceReader
    config: PerformanceConfig
    slug_of: Callable[[int], str]
    clock: Clock

    def choose(
        self,
        asked: Asked,
        *,
        longest_fine: timedelta,
        fine_seconds: int = FINE_SECONDS,
        with_before: bool = False,
    ) -> Window:
        """Return the window that is asked for.

        Raises:
            BadRequestError: If the times cannot be read or mean nothing.
        """
        from_ms = parse_time(asked.from_ or "now-1h", clock=self.clock, name="from")
        to_ms = parse_time(asked.to or "now", clock=self.clock, name="to")
        if from_ms > to_ms:
            raise BadRequestError("from is after to")
        if to_ms - from_ms > _LONGEST_MS:
            raise BadRequestError("from and to are more than 400 days apart")
        return choose_window(
            from_ms,
            to_ms,
            now_ms=to_milliseconds(self.clock.now()),
            fine_seconds=fine_seconds,
            fine_retention=self.config.fine_retention,
            longest_fine=longest_fine,
            with_before=with_before,
        )

    def renderer(self, window: Window) -> PerformanceRenderer:
        """Return who renders what is in a window."""
        return PerformanceRenderer(
            window,
            now_ms=to_milliseconds(self.clock.now()),
            config=self.config,
            slug_of=self.slug_of,
        )


def build_router(*, sources: PerformanceSources, guard: Guard) -> APIRouter:
    """Return the routes of docs/http-api.md, section Performance."""
    router = APIRouter(
        prefix="/api/monitor/performance",
        tags=["performance"],
        dependencies=[Depends(guard.viewer)],
    )
    _add_endpoint_routes(router, sources)
    _add_finding_routes(router, sources)
    _add_vital_routes(router, sources)
    _add_statement_routes(router, sources)
    return router


def _add_endpoint_routes(router: APIRouter, sources: PerformanceSources) -> None:
    @router.get("/endpoints")
    async def list_endpoints(
        asked: Annotated[Asked, Query()],
        sort: PerformanceSort = PerformanceSort.TOTAL,
        order: Literal["asc", "desc"] = "desc",
        cursor: Cursor = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> dict[str, Any]:
        window = sources.choose(asked, longest_fine=_LONGEST_LIST, with_before=True)
        found = await sources.reader.read_endpoints(
            asked.to_filter(), [window, window.before()], [DURATION]
        )
        renderer = sources.renderer(window)

        def render() -> dict[str, Any]:
            lines = [
                line
                for (key, _), (figures, before) in found.items()
                if (line := renderer.measure(key, figures, before)).figures.count
            ]
            lines.sort(key=lambda line: (line.rank(sort, is_up=order == "asc"), line.key.name))
            page, next_cursor = _cut(lines, cursor, limit)
            return {
                **renderer.render_window(),
                "items": [renderer.render_line(line) for line in page],
                "next_cursor": next_cursor,
                "total": len(lines),
                "truncated": found.is_truncated,
                "totals": renderer.render_totals(lines),
            }

        # Merging the sketches of hundreds of endpoints takes a while.
        return await asyncio.to_thread(render)

    @router.get("/facets")
    async def facets() -> dict[str, Any]:
        found = await sources.reader.facets()
        return {name: [value for value in values if value] for name, values in found.items()}

    @router.get("/endpoint")
    async def get_endpoint(
        asked: Annotated[Asked, Query()],
        name: Annotated[str, Query(min_length=1, max_length=500)],
    ) -> dict[str, Any]:
        window = sources.choose(asked, longest_fine=_LONGEST_ENDPOINT, with_before=True)
        asked = asked.model_copy(update={"query": ""})
        wanted = asked.to_filter(name=name)
        found_there = FindingFilter(wanted)
        reader, renderer = sources.reader, sources.renderer(window)
        found = await reader.read_endpoints(wanted, [window, window.before()], [DURATION])
        lines = renderer.join(found)
        if not lines and not await reader.read_findings(found_there, after=None, limit=1):
            raise NotFoundError(f"Nothing of {name[:80]!r} was counted in this time.")
        steps = await reader.read_steps(wanted, window, DURATION)
        findings = await reader.read_findings(found_there, after=None, limit=_FINDINGS_MAX)
        vitals = await reader.read_endpoints(wanted, [window], VITALS)
        parts = await reader.read_parts(wanted, window)
        examples = await reader.read_examples(wanted, window, limit=_EXAMPLES_MAX)
        return await asyncio.to_thread(
            lambda: {
                **renderer.render_window(),
                "endpoint": renderer.render_line(lines[0]) if lines else None,
                "truncated": found.is_truncated,
                **renderer.render_steps(steps),
                "durations": renderer.render_histogram(lines),
                "parts": renderer.render_parts(parts),
                "examples": [renderer.render_example(each) for each in examples],
                "findings": [renderer.render_finding(each) for each in findings],
                "vitals": renderer.render_vitals_of_one(vitals),
            }
        )


def _add_finding_routes(router: APIRouter, sources: PerformanceSources) -> None:
    @router.get("/findings")
    async def list_findings(
        asked: Annotated[Asked, Query()],
        issue: Annotated[int | None, Query(ge=1, lt=2**53)] = None,
        status: Literal["unresolved", "resolved", "ignored"] | None = None,
        cursor: Cursor = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> dict[str, Any]:
        renderer = sources.renderer(sources.choose(asked, longest_fine=_LONGEST_LIST))
        found = await sources.reader.read_findings(
            FindingFilter(asked.to_filter(), issue_id=issue, status=status),
            after=parse_cursor(cursor),
            limit=limit + 1,
        )
        return {
            "items": [renderer.render_finding(each) for each in found[:limit]],
            "next_cursor": str(found[limit - 1].id) if len(found) > limit else None,
        }


def _add_vital_routes(router: APIRouter, sources: PerformanceSources) -> None:
    @router.get("/vitals")
    async def list_vitals(
        asked: Annotated[Asked, Query()], cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
    ) -> dict[str, Any]:
        window = sources.choose(asked, longest_fine=_LONGEST_LIST)
        found = await sources.reader.read_endpoints(asked.to_filter(), [window], VITALS)
        renderer = sources.renderer(window)
        routes = await asyncio.to_thread(renderer.render_vitals, found)
        totals = await asyncio.to_thread(renderer.render_vitals_of_one, found)
        page, next_cursor = _cut(routes, cursor, limit)
        return {
            **renderer.render_window(),
            "items": page,
            "next_cursor": next_cursor,
            "total": len(routes),
            "truncated": found.is_truncated,
            "totals": totals,
        }


def _add_statement_routes(router: APIRouter, sources: PerformanceSources) -> None:
    @router.get("/statements")
    async def list_statements(
        asked: Annotated[Asked, Query()],
        kind: Literal["db", "http"] = "db",
        sort: Literal["total", "count", "p95", "failures"] = "total",
        cursor: Cursor = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> dict[str, Any]:
        window = sources.choose(asked, longest_fine=_LONGEST_CALLS, fine_seconds=CALLS_FINE_SECONDS)
        lines = await sources.reader.read_statements(kind, asked.to_filter(), window)
        renderer = sources.renderer(window)
        rendered = await asyncio.to_thread(renderer.render_statements, lines, sort)
        page, next_cursor = _cut(rendered, cursor, limit)
        return {
            **renderer.render_window(),
            "items": page,
            "next_cursor": next_cursor,
            "total": len(rendered),
        }

    @router.get("/statements/{statement_id}")
    async def get_statement(statement_id: str, asked: Annotated[Asked, Query()]) -> dict[str, Any]:
        window = sources.choose(asked, longest_fine=_LONGEST_CALLS, fine_seconds=CALLS_FINE_SECONDS)
        try:
            number = parse_cursor(statement_id)
        except BadCursorError:
            number = None
        found = None
        if number is not None:
            found = await sources.reader.read_statement(number, window)
        if found is None:
            raise NotFoundError(f"There is no statement {statement_id[:40]!r}.")
        return await asyncio.to_thread(sources.renderer(window).render_statement, found)


def _cut(items: Sequence[T], cursor: str | None, limit: int) -> tuple[Sequence[T], str | None]:
    """Return a page of a list that is made anew each time, and the next page's cursor."""
    start = parse_cursor(cursor) or 0
    end = start + limit
    return items[start:end], str(end) if end < len(items) else None
