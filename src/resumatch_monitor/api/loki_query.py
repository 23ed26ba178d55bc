"""Loki's query API: log queries, for Grafana's Loki source and `logcli`."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import JSONResponse, PlainTextResponse, Response

from resumatch_monitor.api.errors import BadRequestError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.timerange import parse_time
from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.logs.query.lexer import MAX_QUERY_CHARACTERS, QueryError
from resumatch_monitor.logs.query.logql import label_field, parse_logql
from resumatch_monitor.logs.query.tree import Everything
from resumatch_monitor.logs.record import LogRecord, name_severity
from resumatch_monitor.logs.store import LogQuery, LogReader, StoredRecord
from resumatch_monitor.logs.survey import survey_fields

_LIMIT = 100
_LIMIT_MAX = 1_000
_VALUES = 500
_SURVEYED = 500
_HOUR_MS = 3_600_000
_SIX_HOURS_MS = 6 * _HOUR_MS
_DIGITS = re.compile(r"[0-9]{1,20}")
_SECONDS = re.compile(r"[0-9]{1,10}(?:\.[0-9]+)?")
# Larger numbers are nanoseconds: https://grafana.com/docs/loki/latest/reference/loki-http-api/
_LONGEST_SECONDS = 10
_LABELS = ("service_name", "level", "environment", "release", "host", "logger", "source")

_Time = Annotated[str, Query(max_length=64)]
_Text = Annotated[str, Query(max_length=MAX_QUERY_CHARACTERS)]
_Limit = Annotated[int, Query(ge=1, le=_LIMIT_MAX)]
_Direction = Annotated[str, Query(pattern="(?i)^(forward|backward)$")]


def build_router(*, logs: LogReader, guard: Guard, clock: Clock) -> APIRouter:
    """Return the routes, for viewers."""
    router = APIRouter(prefix="/loki/api/v1", dependencies=[Depends(guard.viewer)])
    answers = _Answers(logs, clock)

    @router.get("/query_range")
    async def query_range(
        query: _Text,
        start: _Time = "",
        end: _Time = "",
        limit: _Limit = _LIMIT,
        direction: _Direction = "backward",
    ) -> Response:
        return await answers.query(query, start, end, limit, direction)

    @router.get("/query")
    async def query_at(
        query: _Text, time: _Time = "", limit: _Limit = _LIMIT, direction: _Direction = "backward"
    ) -> Response:
        return await answers.query(query, "", time, limit, direction)

    @router.get("/labels")
    async def labels(start: _Time = "", end: _Time = "") -> Response:
        return await answers.labels(start, end)

    @router.get("/label/{name}/values")
    async def values(
        name: Annotated[str, Path(max_length=200)],
        start: _Time = "",
        end: _Time = "",
        query: _Text = "",
    ) -> Response:
        return await answers.values(name, query, start, end)

    return router


@dataclass(frozen=True, slots=True)
class _Answers:
    """Answers in Loki's form."""

    logs: LogReader
    clock: Clock

    async def query(self, query: str, start: str, end: str, limit: int, direction: str) -> Response:
        try:
            asked = self._ask(query, start, end, _HOUR_MS)
        except (QueryError, BadRequestError) as error:
            return _refuse(error)
        is_newest_first = direction.lower() == "backward"
        page = await self.logs.search(asked, limit=limit, is_newest_first=is_newest_first)
        result = await asyncio.to_thread(_render_streams, page.items)
        return _answer({"resultType": "streams", "result": result, "stats": {}})

    async def labels(self, start: str, end: str) -> Response:
        try:
            asked = self._ask("", start, end, _SIX_HOURS_MS)
        except BadRequestError as error:
            return _refuse(error)
        page = await self.logs.search(asked, limit=_SURVEYED)
        uses = await asyncio.to_thread(survey_fields, [item.record for item in page.items])
        attributes = [use.name for use in uses if use.is_attribute][:_VALUES]
        return _answer(sorted({*_LABELS, *attributes}))

    async def values(self, name: str, query: str, start: str, end: str) -> Response:
        try:
            asked = self._ask(query, start, end, _SIX_HOURS_MS)
        except (QueryError, BadRequestError) as error:
            return _refuse(error)
        top = await self.logs.top_values(asked, label_field(name), limit=_VALUES)
        return _answer(sorted(value for value, _ in top.values))

    def _ask(self, query: str, start: str, end: str, span_ms: int) -> LogQuery:
        now_ms = to_milliseconds(self.clock.now())
        end_ms = self._read_time(end, "end") if end else now_ms + 1
        start_ms = self._read_time(start, "start") if start else end_ms - span_ms
        if start_ms > end_ms:
            raise BadRequestError("start is after end")
        node = parse_logql(query) if query else Everything()
        return LogQuery(node, start_us=start_ms * 1_000, end_us=end_ms * 1_000)

    def _read_time(self, text: str, name: str) -> int:
        if _DIGITS.fullmatch(text) and len(text) > _LONGEST_SECONDS:
            # A started millisecond belongs to what is asked for, at either end.
            whole, rest = divmod(int(text), 1_000_000)
            text = str(whole + (rest > 0 and name == "end"))
        elif _SECONDS.fullmatch(text):
            text = str(round(float(text) * 1_000))
        return parse_time(text, clock=self.clock, name=name)


def _render_streams(items: Sequence[StoredRecord]) -> list[dict[str, Any]]:
    streams: dict[tuple[str, ...], dict[str, Any]] = {}
    for item in items:
        labels = _labels_of(item.record)
        key = tuple(labels.values())
        stream = streams.setdefault(
            key, {"stream": {name: value for name, value in labels.items() if value}, "values": []}
        )
        nanoseconds = item.record.timestamp_us * 1_000
        stream["values"].append([str(nanoseconds), item.record.body])
    return list(streams.values())


def _labels_of(record: LogRecord) -> dict[str, str]:
    return {
        "service_name": record.service,
        "level": name_severity(record.severity),
        "environment": record.environment,
        "release": record.release,
        "host": record.host,
        "logger": record.logger,
        "source": record.source,
    }


def _answer(data: Any) -> Response:
    return JSONResponse({"status": "success", "data": data})


def _refuse(error: QueryError | BadRequestError) -> Response:
    """Loki's own errors are sentences."""
    if isinstance(error, QueryError):
        text = f"parse error at line 1, col {error.position + 1}: {error}"
    else:
        text = error.message
    return PlainTextResponse(f"{text}\n", status_code=400)
