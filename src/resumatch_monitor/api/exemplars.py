"""`/api/v1/query_exemplars`, as Prometheus answers it."""

import asyncio
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Depends, Response

from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.prometheus_answer import Endpoint, render_data
from resumatch_monitor.api.prometheus_json import TRUNCATED
from resumatch_monitor.api.prometheus_params import Params, bad_data
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.metrics.exemplars import Exemplar, ExemplarStore, SeriesExemplars
from resumatch_monitor.metrics.labels import Labels, Matcher
from resumatch_monitor.promql.format import format_json_float
from resumatch_monitor.promql.parse import parse
from resumatch_monitor.promql.selectors import find_selectors

_MOST_EXEMPLARS = 50_000
"""How many one answer holds at most; an answer cut short carries a warning."""
_EARLIEST_MS, _LATEST_MS = -(1 << 62), 1 << 62


def build_router(*, exemplars: ExemplarStore, guard: Guard, clock: Clock) -> APIRouter:
    """Return the route, for viewers."""
    router = APIRouter(prefix="/api/v1", dependencies=[Depends(guard.viewer)])

    async def query_exemplars(params: Params) -> bytes | Response:
        start_ms = params.time_ms("start", default_ms=_EARLIEST_MS)
        end_ms = params.time_ms("end", default_ms=_LATEST_MS)
        if end_ms < start_ms:
            raise bad_data("end timestamp must not be before start timestamp")
        selectors = find_selectors(parse(params.text("query")))
        if not selectors:
            # As Prometheus, which has nothing to say of a query without a selector.
            return Response(status_code=HTTPStatus.NO_CONTENT)
        sets = list(dict.fromkeys(each.matchers for each in selectors))
        return await asyncio.to_thread(_find_and_render, exemplars, sets, start_ms, end_ms)

    Endpoint(router, clock=clock).add(
        "/query_exemplars", query_exemplars, methods=("GET", "HEAD", "POST")
    )
    return router


def _find_and_render(
    exemplars: ExemplarStore, sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
) -> bytes:
    found: dict[Labels, SeriesExemplars] = {}
    for matchers in sets:
        for each in exemplars.find(matchers, start_ms, end_ms, limit=_MOST_EXEMPLARS + 1):
            found[each.series] = each
    kept, is_cut = _cut(found[series] for series in sorted(found))
    return render_data([_render(each) for each in kept], (TRUNCATED,) if is_cut else ())


def _cut(found: Iterable[SeriesExemplars]) -> tuple[list[SeriesExemplars], bool]:
    kept: list[SeriesExemplars] = []
    room = _MOST_EXEMPLARS
    for each in found:
        if len(each.exemplars) > room:
            return [*kept, SeriesExemplars(each.series, each.exemplars[:room])], True
        kept.append(each)
        room -= len(each.exemplars)
    return kept, False


def _render(found: SeriesExemplars) -> dict[str, Any]:
    return {
        "seriesLabels": dict(found.series.pairs),
        "exemplars": [_render_exemplar(each) for each in found.exemplars],
    }


def _render_exemplar(exemplar: Exemplar) -> dict[str, Any]:
    seconds, milliseconds = divmod(exemplar.timestamp_ms, 1000)
    return {
        "labels": dict(exemplar.labels),
        "value": format_json_float(exemplar.value),
        "timestamp": exemplar.timestamp_ms / 1000 if milliseconds else seconds,
    }
