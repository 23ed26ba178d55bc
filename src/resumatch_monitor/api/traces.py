"""Traces: searching for segments, and one trace as a tree with what stands beside it."""

import asyncio
import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from resumatch_monitor.api.errors import BadRequestError, NotFoundError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.paging import DEFAULT_LIMIT, BadCursorError, Cursor, Limit
from resumatch_monitor.api.timerange import parse_time
from resumatch_monitor.api.traces_render import (
    render_durations,
    render_segment,
    render_span,
    render_trace,
)
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.sentry.trace_ids import read_span_id, read_trace_id
from resumatch_monitor.tracing.beside import TraceError, TraceErrorReader, TraceLog, TraceLogReader
from resumatch_monitor.tracing.store import SegmentQuery, SegmentSort, StoredTrace, TraceReader
from resumatch_monitor.tracing.tree import build_tree

_SPANS_MAX = 10_000
_ERRORS_MAX = 200
_LOGS_MAX = 1_000
_TAGS_MAX = 10
_DURATIONS_MAX = 20_000
_WIDEST_SECONDS = 10**9
_PACKED_FROM_BYTES = 16 * 1024


class TraceSearch(BaseModel):
    """The parameters of a search; they narrow it down together."""

    model_config = ConfigDict(extra="ignore")

    project: Annotated[int | None, Field(ge=0, lt=2**53)] = None
    environment: str = Field(default="", max_length=200)
    service: str = Field(default="", max_length=200)
    op: str = Field(default="", max_length=200)
    name: str = Field(default="", max_length=500)
    exact_name: str = Field(default="", max_length=2_100)
    release: str = Field(default="", max_length=200)
    status: Literal["", "ok", "error"] = ""
    user: str = Field(default="", max_length=250)
    tag: list[str] = Field(default_factory=list[str], max_length=_TAGS_MAX)
    min_seconds: Annotated[float | None, Field(ge=0, le=_WIDEST_SECONDS, allow_inf_nan=False)] = (
        None
    )
    max_seconds: Annotated[float | None, Field(ge=0, le=_WIDEST_SECONDS, allow_inf_nan=False)] = (
        None
    )
    roots: bool = False
    from_: str = Field(default="now-1h", alias="from", max_length=64)
    to: str = Field(default="now", max_length=64)

    def to_query(self, clock: Clock, **further: Any) -> SegmentQuery:
        """Return the query that is meant; `further` are fields of it.

        Raises:
            BadRequestError: If a time or a tag cannot be read, or nothing can be meant.
        """
        from_ms = parse_time(self.from_ or "now-1h", clock=clock, name="from")
        to_ms = parse_time(self.to or "now", clock=clock, name="to")
        if from_ms > to_ms:
            raise BadRequestError("from is after to")
        return SegmentQuery(
            project_id=self.project,
            environment=self.environment,
            service=self.service,
            op=self.op,
            name=self.name.strip(),
            exact_name=self.exact_name,
            release=self.release,
            status=self.status,
            user=self.user.strip(),
            tags=tuple(map(_parse_tag, self.tag)),
            min_duration_us=_to_microseconds(self.min_seconds),
            max_duration_us=_to_microseconds(self.max_seconds),
            only_roots=self.roots,
            start_us=from_ms * 1_000,
            end_us=to_ms * 1_000,
            **further,
        )


@dataclass(frozen=True, slots=True)
class TraceSources:
    """Who answers what is asked about traces.

    Attributes:
        logs: None while nothing keeps lines of logs by trace.
    """

    reader: TraceReader
    errors: TraceErrorReader
    logs: TraceLogReader | None = None


def build_router(*, sources: TraceSources, clock: Clock, guard: Guard) -> APIRouter:
    """Return the routes of docs/http-api.md, section Traces."""
    router = APIRouter(
        prefix="/api/monitor/traces", tags=["traces"], dependencies=[Depends(guard.viewer)]
    )
    _add_search_routes(router, sources.reader, clock)
    _add_trace_routes(router, sources)
    return router


def _add_search_routes(router: APIRouter, reader: TraceReader, clock: Clock) -> None:
    @router.get("")
    async def search(
        asked: Annotated[TraceSearch, Query()],
        sort: SegmentSort = SegmentSort.NEWEST,
        cursor: Cursor = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> dict[str, Any]:
        query = asked.to_query(clock, sort=sort, cursor=cursor, limit=limit)
        try:
            page = await reader.search(query)
        except ValueError as error:
            raise BadCursorError(str(error)) from error
        return {
            "items": [render_segment(each) for each in page.items],
            "next_cursor": page.next_cursor,
            "is_complete": page.is_complete,
        }

    @router.get("/durations")
    async def durations(asked: Annotated[TraceSearch, Query()]) -> dict[str, Any]:
        sample = await reader.sample_durations(asked.to_query(clock), limit=_DURATIONS_MAX)
        return render_durations(sample)

    @router.get("/facets")
    async def facets() -> dict[str, Any]:
        found = await reader.facets()
        return {
            "services": found.services,
            "environments": found.environments,
            "ops": found.ops,
        }


def _add_trace_routes(router: APIRouter, sources: TraceSources) -> None:
    @router.get("/{trace_id}")
    async def get_trace(
        trace_id: str,
        if_none_match: Annotated[str, Header()] = "",
        accept_encoding: Annotated[str, Header()] = "",
    ) -> Response:
        wanted = _parse_trace_id(trace_id)
        found = await sources.reader.find_trace(wanted, limit=_SPANS_MAX)
        errors = await sources.errors.find_errors(wanted, limit=_ERRORS_MAX)
        if not found.spans and not errors:
            raise NotFoundError(f"Nothing of a trace {wanted} is kept.")
        logs: Sequence[TraceLog] = ()
        if sources.logs is not None:
            logs = await sources.logs.find_logs(wanted, limit=_LOGS_MAX)
        # Ten thousand spans take a moment.
        body, etag = await asyncio.to_thread(_render, wanted, found, errors, logs)
        headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}
        if etag in [each.strip() for each in if_none_match.split(",")]:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        if len(body) > _PACKED_FROM_BYTES and "gzip" in accept_encoding:
            body = await asyncio.to_thread(gzip.compress, body, 1)
            headers["Content-Encoding"] = "gzip"
        return Response(body, media_type="application/json", headers=headers)

    @router.get("/{trace_id}/spans/{span_id}")
    async def get_span(trace_id: str, span_id: str) -> dict[str, Any]:
        wanted = _parse_trace_id(trace_id)
        wanted_span = read_span_id(span_id)
        found = await sources.reader.find_trace(wanted, limit=_SPANS_MAX)
        for span in found.spans:
            if span.span_id == wanted_span:
                return render_span(span)
        raise NotFoundError(f"Trace {wanted} has no span {span_id[:40]!r} that is kept.")


def _render(
    trace_id: str, found: StoredTrace, errors: Sequence[TraceError], logs: Sequence[TraceLog]
) -> tuple[bytes, str]:
    answer = render_trace(trace_id, build_tree(found.spans), errors, logs, is_cut=found.is_cut)
    body = orjson.dumps(answer)
    return body, f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def _parse_trace_id(text: str) -> str:
    trace_id = read_trace_id(text)
    if not trace_id:
        raise NotFoundError(f"{text[:40]!r} is no id of a trace: that has 32 hexadecimal digits.")
    return trace_id


def _parse_tag(text: str) -> tuple[str, str]:
    for separator in ("=", ":"):
        name, found, value = text.partition(separator)
        if found and name.strip() and value.strip():
            return name.strip()[:200], value.strip()[:200]
    raise BadRequestError(f"tag must be name=value, not {text[:40]!r}")


def _to_microseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1e6)
