"""Prometheus' HTTP API, as Grafana's data source and promtool use it."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import TypeVar

import orjson
from fastapi import APIRouter, Depends, Request, Response
from starlette.exceptions import HTTPException

from resumatch_monitor import __version__
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.prometheus_json import render_instant, render_range, render_success
from resumatch_monitor.api.prometheus_params import (
    Params,
    PrometheusError,
    RuleFilter,
    bad_data,
    read_params,
)
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.metrics.labels import Matcher
from resumatch_monitor.metrics.samples import Queryable
from resumatch_monitor.promql.engine import TOO_MANY_POINTS, check_range
from resumatch_monitor.promql.parse import format_query
from resumatch_monitor.promql.runner import QueryRunner
from resumatch_monitor.promql.value import (
    ExecutionError,
    QueryError,
    QueryLimitError,
    QueryTimeoutError,
    UnsupportedError,
)

logger = logging.getLogger(__name__)

_EPOCH_MS = 0
_BACKWARDS = 'invalid parameter "end": end timestamp must not be before start time'
_FAR_AHEAD = timedelta(days=365)
_MOST_ITEMS = 100_000
"""Series or values that one answer holds at most; an answer cut short carries a warning."""

Handler = Callable[[Params], Awaitable[bytes]]
Finder = Callable[[Queryable, Sequence[Matcher], int, int], Iterable[str]]
ItemT = TypeVar("ItemT")


def build_router(
    *,
    queries: QueryRunner,
    guard: Guard,
    clock: Clock,
    rules: Callable[[RuleFilter], Mapping[str, object]],
    alerts: Callable[[], Mapping[str, object]],
    targets: Callable[[], Mapping[str, object]],
    metadata: Callable[[str | None, int], Mapping[str, object]],
) -> APIRouter:
    """Return the routes under `/api/v1`.

    Args:
        queries: Runs the queries.
        guard: Lets viewers through.
        clock: What the time is where a request names none.
        rules: The `data` of `/rules`: `{"groups": […]}`.
        alerts: The `data` of `/alerts`: `{"alerts": […]}`.
        targets: The `data` of `/targets`: `{"activeTargets": […], "droppedTargets": […]}`.
        metadata: The `data` of `/metadata` for one metric or all, at most so many (0: all).
    """
    router = APIRouter(prefix="/api/v1", dependencies=[Depends(guard.viewer)])
    handlers = _QueryHandlers(queries)

    def serve(path: str, handler: Handler, *, accepts_form: bool = False) -> None:
        async def endpoint(request: Request) -> Response:
            return await _answer(request, handler, clock)

        methods = ["GET", "POST"] if accepts_form else ["GET"]
        router.add_api_route(path, endpoint, methods=methods, name=path)

    async def read_rules(params: Params) -> bytes:
        return _render(rules(params.rule_filter()))

    async def read_metadata(params: Params) -> bytes:
        return _render(metadata(params.text("metric") or None, params.limit() or 0))

    serve("/query", handlers.query, accepts_form=True)
    serve("/query_range", handlers.query_range, accepts_form=True)
    serve("/series", handlers.series, accepts_form=True)
    serve("/labels", handlers.labels, accepts_form=True)
    serve("/format_query", _format_query, accepts_form=True)
    serve("/metadata", read_metadata)
    serve("/rules", read_rules)
    serve("/alerts", _supplied_by(alerts))
    serve("/targets", _supplied_by(targets))
    serve("/status/buildinfo", _supplied_by(lambda: _BUILDINFO))

    @router.get("/label/{name}/values")
    async def read_label_values(name: str, request: Request) -> Response:
        return await _answer(request, handlers.label_values(name), clock)

    return router


def _supplied_by(supply: Callable[[], Mapping[str, object]]) -> Handler:
    async def handle(_: Params) -> bytes:
        return _render(supply())

    return handle


async def _format_query(params: Params) -> bytes:
    return _render(format_query(params.text("query")))


class _QueryHandlers:
    """The routes that read the store; each returns the rendered answer."""

    def __init__(self, queries: QueryRunner) -> None:
        self._queries = queries

    async def query(self, params: Params) -> bytes:
        limit = params.limit()
        return await self._queries.run_instant(
            params.text("query"),
            at_ms=params.time_ms("time", default_ms=params.now_ms()),
            render=lambda answer: render_instant(answer, limit=limit),
            timeout=params.duration("timeout"),
        )

    async def query_range(self, params: Params) -> bytes:
        start_ms, end_ms = params.time_ms("start"), params.time_ms("end")
        if end_ms < start_ms:
            raise bad_data(_BACKWARDS)
        step_ms, limit = params.step_ms(), params.limit()
        try:
            check_range(start_ms, end_ms, step_ms)
        except QueryLimitError:
            raise bad_data(TOO_MANY_POINTS) from None
        return await self._queries.run_range(
            params.text("query"),
            start_ms=start_ms,
            end_ms=end_ms,
            step_ms=step_ms,
            render=lambda answer: render_range(answer, limit=limit),
            timeout=params.duration("timeout"),
        )

    async def series(self, params: Params) -> bytes:
        sets = params.matcher_sets(required=True)
        limit = params.limit()
        start_ms, end_ms = _period(params)

        def read(store: Queryable) -> bytes:
            found = {
                labels for each in sets for labels in store.find_series(each, start_ms, end_ms)
            }
            kept, warnings = _cut(sorted(found), limit)
            return _render([dict(labels.pairs) for labels in kept], warnings)

        return await self._queries.read(read)

    async def labels(self, params: Params) -> bytes:
        def find(
            store: Queryable, matchers: Sequence[Matcher], start_ms: int, end_ms: int
        ) -> Iterable[str]:
            return store.find_label_names(matchers, start_ms, end_ms)

        return await self._find(params, find)

    def label_values(self, name: str) -> Handler:
        def find(
            store: Queryable, matchers: Sequence[Matcher], start_ms: int, end_ms: int
        ) -> Iterable[str]:
            return store.find_label_values(name, matchers, start_ms, end_ms)

        return lambda params: self._find(params, find)

    async def _find(self, params: Params, find: Finder) -> bytes:
        sets: Sequence[Sequence[Matcher]] = params.matcher_sets(required=False) or [()]
        limit = params.limit()
        start_ms, end_ms = _period(params)

        def read(store: Queryable) -> bytes:
            found = {text for each in sets for text in find(store, each, start_ms, end_ms)}
            return _render(*_cut(sorted(found), limit))

        return await self._queries.read(read)


# Grafana decides by the version what it may ask; this is the language that is spoken here.
_BUILDINFO = {
    "version": "3.0.0",
    "revision": f"resumatch-monitor-{__version__}",
    "branch": "",
    "buildUser": "",
    "buildDate": "",
    "goVersion": "",
    "application": "ResuMatch Monitor",
}


async def _answer(request: Request, handler: Handler, clock: Clock) -> Response:
    """Answer in Prometheus' envelope, whatever happens."""
    try:
        params = await read_params(request, clock=clock)
        body = await handler(params)
    except PrometheusError as error:
        return _error(error.status, error.kind, error.message)
    except QueryError as error:
        return _error(*_status_of(error), str(error))
    except HTTPException:
        raise
    except Exception:
        logger.exception("Request %s %s failed", request.method, request.url.path)
        return _error(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "internal",
            "The monitor failed to answer; its own log has the details.",
        )
    return Response(body, media_type="application/json")


def _status_of(error: QueryError) -> tuple[int, str]:
    if isinstance(error, QueryTimeoutError):
        return HTTPStatus.SERVICE_UNAVAILABLE, "timeout"
    if isinstance(error, ExecutionError | UnsupportedError):
        return HTTPStatus.UNPROCESSABLE_ENTITY, "execution"
    return HTTPStatus.BAD_REQUEST, "bad_data"


def _error(status: int, kind: str, message: str) -> Response:
    body = orjson.dumps({"status": "error", "errorType": kind, "error": message})
    return Response(body, status_code=status, media_type="application/json")


def _render(data: object, warnings: Sequence[str] = ()) -> bytes:
    return render_success(orjson.dumps(data), warnings=warnings)


def _cut(items: Sequence[ItemT], limit: int | None) -> tuple[Sequence[ItemT], Sequence[str]]:
    most = min(limit or _MOST_ITEMS, _MOST_ITEMS)
    if len(items) <= most:
        return items, ()
    return items[:most], ("results truncated due to limit",)


def _period(params: Params) -> tuple[int, int]:
    latest = params.now_ms() + round(_FAR_AHEAD / timedelta(milliseconds=1))
    start_ms = params.time_ms("start", default_ms=_EPOCH_MS)
    end_ms = params.time_ms("end", default_ms=latest)
    if end_ms < start_ms:
        raise bad_data(_BACKWARDS)
    return start_ms, end_ms
