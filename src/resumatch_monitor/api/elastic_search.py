"""Elasticsearch's search API under `/es/`, for dashboards and simple clients."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from resumatch_monitor.api.elastic_answers import ElasticRoute
from resumatch_monitor.api.elastic_documents import (
    SHARDS,
    answer,
    infer_types,
    render_error,
    render_hit,
)
from resumatch_monitor.api.elastic_request import read_query, read_search
from resumatch_monitor.api.errors import ApiError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.logs.aggregations import Aggregator
from resumatch_monitor.logs.query.dsl import DslError, Json, allow, as_object
from resumatch_monitor.logs.store import LogQuery, LogReader

MAX_BODY_BYTES = 1024 * 1024
ANSWER_SECONDS = 30.0
"""How long a search may ask the store for buckets, one after the other."""
_MAX_SEARCHES = 50
_SURVEYED = 500
_PARSING = "parsing_exception"
_ANY_INDEX = "logs"
_PATHS = ("", "/{index}")
_Answering = Callable[[], Awaitable[dict[str, Any]]]


def build_router(*, logs: LogReader, guard: Guard, clock: Clock) -> APIRouter:
    """Return the routes, for viewers. All indices are one and the same: all records."""
    router = APIRouter(prefix="/es", dependencies=[Depends(guard.viewer)], route_class=ElasticRoute)
    searches = _Searches(logs, clock)

    _add_searches(router, searches)
    _add_shapes(router, searches)
    return router


def _add_searches(router: APIRouter, searches: "_Searches") -> None:
    async def search(
        request: Request,
        index: str = _ANY_INDEX,
        q: Annotated[str, Query(max_length=4_096)] = "",
        size: Annotated[int | None, Query(ge=0, le=1_000)] = None,
    ) -> Response:
        async def find() -> dict[str, Any]:
            body = {**as_object(await _read_json(request), "body")}
            if q:
                body["query"] = {"query_string": {"query": q}}
            if size is not None:
                body["size"] = size
            return await searches.search(body, index)

        return await _respond(find)

    async def count(request: Request, q: Annotated[str, Query(max_length=4_096)] = "") -> Response:
        async def find() -> dict[str, Any]:
            body = {**as_object(await _read_json(request), "body")}
            if q:
                body["query"] = {"query_string": {"query": q}}
            return await searches.count(body)

        return await _respond(find)

    async def search_many(request: Request) -> Response:
        async def find() -> dict[str, Any]:
            bodies = await _read_lines(request)
            return {"took": 1, "responses": [await searches.search_safely(each) for each in bodies]}

        return await _respond(find)

    for path in _PATHS:
        router.add_api_route(f"{path}/_search", search, methods=["GET", "POST"])
        router.add_api_route(f"{path}/_count", count, methods=["GET", "POST"])
        router.add_api_route(f"{path}/_msearch", search_many, methods=["GET", "POST"])


def _add_shapes(router: APIRouter, searches: "_Searches") -> None:
    async def mapping(index: str = _ANY_INDEX) -> Response:
        types = await searches.types()
        properties = {name: {"type": kind} for name, kind in types.items()}
        return answer({index: {"mappings": {"properties": properties}}})

    async def capabilities(index: str = _ANY_INDEX) -> Response:
        types = await searches.types()
        fields = {
            name: {
                kind: {
                    "type": kind,
                    "metadata_field": False,
                    "searchable": True,
                    "aggregatable": kind != "text",
                }
            }
            for name, kind in types.items()
        }
        return answer({"indices": [index], "fields": fields})

    for path in _PATHS:
        router.add_api_route(f"{path}/_mapping", mapping, methods=["GET"])
        router.add_api_route(f"{path}/_field_caps", capabilities, methods=["GET", "POST"])


class _Searches:
    """Answers searches in Elasticsearch's form."""

    def __init__(self, logs: LogReader, clock: Clock) -> None:
        self._logs = logs
        self._clock = clock

    async def search(self, body: Any, index: str) -> dict[str, Any]:
        asked = read_search(body, self._clock)
        began = self._clock.monotonic()
        total = await self._logs.count(asked.query)
        hits: list[dict[str, Any]] = []
        if asked.size:
            page = await self._logs.search(
                asked.query,
                limit=asked.skip + asked.size,
                after=asked.after,
                is_newest_first=asked.is_newest_first,
            )
            shown = page.items[asked.skip :]
            hits = await asyncio.to_thread(
                lambda: [render_hit(each, index, asked.source) for each in shown]
            )
        found: dict[str, Any] = {
            "took": max(0, round((self._clock.monotonic() - began) * 1_000)),
            "timed_out": not total.is_complete,
            "_shards": SHARDS,
            "hits": {
                "total": {"value": total.total, "relation": "eq" if total.is_complete else "gte"},
                "max_score": None,
                "hits": hits,
            },
        }
        if asked.aggregations:
            aggregator = Aggregator(self._logs)
            found["aggregations"] = await aggregator.answer(asked.query, asked.aggregations)
        return found

    async def search_safely(self, body: Any) -> dict[str, Any]:
        """Answer one of several searches; what it gets wrong is its own."""
        try:
            return {**await self.search(body, _ANY_INDEX), "status": 200}
        except DslError as error:
            return render_error(_PARSING, str(error))

    async def count(self, body: Json) -> dict[str, Any]:
        allow(body, frozenset({"query"}), "body")
        found = await self._logs.count(read_query(body.get("query"), self._clock))
        return {"count": found.total, "_shards": SHARDS}

    async def types(self) -> dict[str, str]:
        page = await self._logs.search(LogQuery(), limit=_SURVEYED)
        return await asyncio.to_thread(infer_types, [item.record for item in page.items])


async def _respond(find: _Answering) -> Response:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return answer(await find())
    except TimeoutError:
        # Clients send again at once what is answered 503.
        reason = f"the search took longer than {ANSWER_SECONDS:.0f} seconds"
        return answer(render_error("timeout_exception", reason, 408), 408)
    except DslError as error:
        return answer(render_error(_PARSING, str(error)), 400)
    except ApiError as error:
        kind = "illegal_argument_exception"
        return answer(render_error(kind, error.message, error.status), error.status)


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise ApiError(413, "too_large", f"A search has at most {MAX_BODY_BYTES} bytes.")
    return bytes(body)


async def _read_json(request: Request) -> Any:
    body = await _read_body(request)
    return _parse(body, "body") if body.strip() else {}


async def _read_lines(request: Request) -> list[Any]:
    """Return the bodies of `_msearch`; every other line says in which index."""
    lines = [line for line in (await _read_body(request)).split(b"\n") if line.strip()]
    if not lines or len(lines) % 2 or len(lines) > 2 * _MAX_SEARCHES:
        raise DslError("body", f"pairs of lines are expected, at most {_MAX_SEARCHES}")
    return [_parse(line, f"line {at * 2 + 2}") for at, line in enumerate(lines[1::2])]


def _parse(text: bytes, path: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise DslError(path, f"this is no JSON: {error}") from error
