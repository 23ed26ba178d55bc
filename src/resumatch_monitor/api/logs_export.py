"""`GET /api/monitor/logs/export`: all records that match, as NDJSON or CSV, piece by piece."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from resumatch_monitor.api.errors import ApiError, BadRequestError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.logs_query import Search
from resumatch_monitor.api.logs_render import render_record
from resumatch_monitor.api.logs_stream import StreamedAnswer
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.logs.export import (
    DEFAULT_COLUMNS,
    MAX_RECORDS,
    ExportFormat,
    page_records,
    write_csv,
    write_csv_head,
    write_ndjson,
)
from resumatch_monitor.logs.fields import FIELD_NAMES, resolve_field
from resumatch_monitor.logs.store import LogQuery, LogReader

# Fewer than the store has readers: others have to be answered meanwhile.
_AT_ONCE = 2
_FIELDS_MAX = 100
_LONGEST_FIELDS = 4_096
_OWN = FIELD_NAMES | {"seq", "timestamp", "observed_at", "severity_number", "severity_text"}


@dataclass(slots=True)
class _Exports:
    """How many are on their way."""

    running: int = 0

    def begin(self) -> None:
        if self.running >= _AT_ONCE:
            raise ApiError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too_many_exports",
                f"{_AT_ONCE} exports are on their way already; try again in a while.",
                headers={"Retry-After": "10"},
            )
        self.running += 1

    def end(self) -> None:
        self.running -= 1


def build_router(*, logs: LogReader, guard: Guard, clock: Clock) -> APIRouter:
    """Return the route, for viewers."""
    router = APIRouter(prefix="/api/monitor/logs", dependencies=[Depends(guard.viewer)])
    exports = _Exports()

    @router.get("/export")
    async def export(
        parameters: Search,
        format_: Annotated[ExportFormat, Query(alias="format")] = ExportFormat.NDJSON,
        fields: Annotated[str, Query(max_length=_LONGEST_FIELDS)] = "",
        limit: Annotated[int, Query(ge=1, le=MAX_RECORDS)] = MAX_RECORDS,
    ) -> Response:
        query, columns = parameters.to_query(clock), _read_fields(fields)
        exports.begin()
        return StreamedAnswer(
            _write(logs, query, format_, columns, limit),
            media_type=format_.media_type,
            headers={"Content-Disposition": f'attachment; filename="logs.{format_}"'},
            on_end=exports.end,
        )

    return router


async def _write(
    logs: LogReader, query: LogQuery, format_: ExportFormat, fields: Sequence[str], limit: int
) -> AsyncGenerator[bytes]:
    columns = fields or DEFAULT_COLUMNS
    if format_ is ExportFormat.CSV:
        yield write_csv_head(columns)
    async with aclosing(page_records(logs, query, limit=limit)) as pages:
        async for records in pages:
            if format_ is ExportFormat.CSV:
                yield await asyncio.to_thread(write_csv, records, render_record, columns)
            else:
                yield await asyncio.to_thread(write_ndjson, records, render_record, fields)


def _read_fields(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if len(names) > _FIELDS_MAX:
        raise BadRequestError(f"fields names more than {_FIELDS_MAX}")
    return [name if name in _OWN else str(resolve_field(name)) for name in names]
