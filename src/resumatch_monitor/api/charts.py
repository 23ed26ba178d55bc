"""Charts: a query over a time range as columns that a browser draws without further work."""

import re
from collections.abc import Mapping
from typing import Annotated

import numpy as np
import orjson
from fastapi import APIRouter, Depends, Query, Response

from resumatch_monitor.api.errors import ApiError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.timerange import parse_time_range
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.metrics.labels import Labels, render_labels
from resumatch_monitor.metrics.samples import FloatArray
from resumatch_monitor.promql.engine import Answer
from resumatch_monitor.promql.runner import QueryRunner
from resumatch_monitor.promql.value import (
    ExecutionError,
    Matrix,
    QueryError,
    QueryTimeoutError,
    StoreUnavailableError,
    UnsupportedError,
)

MAX_SERIES = 200
_PLACEHOLDER = re.compile(r"\{\{\s*([a-zA-Z_][\w.]*)\s*\}\}")


def build_router(*, queries: QueryRunner, guard: Guard, clock: Clock) -> APIRouter:
    """Return `GET /api/monitor/chart`."""
    router = APIRouter(prefix="/api/monitor", dependencies=[Depends(guard.viewer)])

    @router.get("/chart")
    async def chart(
        expr: str,
        start: Annotated[str | None, Query(alias="from")] = None,
        end: Annotated[str | None, Query(alias="to")] = None,
        max_points: int | None = None,
        legend: str = "",
    ) -> Response:
        period = parse_time_range(start, end, max_points, clock)

        def render(answer: Answer[Matrix]) -> bytes:
            columns = matrix_to_columns(answer.value, legend, max_series=MAX_SERIES)
            head: dict[str, object] = {
                "from_ms": period.from_ms,
                "to_ms": period.to_ms,
                "step_ms": period.step_ms,
                "warnings": [*answer.warnings, *answer.infos],
            }
            return orjson.dumps(head | columns)

        try:
            body = await queries.run_range(
                expr,
                start_ms=period.from_ms,
                end_ms=period.to_ms,
                step_ms=period.step_ms,
                render=render,
            )
        except QueryError as error:
            raise to_api_error(error) from error
        return Response(body, media_type="application/json")

    return router


def to_api_error(error: QueryError) -> ApiError:
    """Return how the monitor's own API answers a query that fails."""
    if isinstance(error, UnsupportedError):
        return ApiError(422, "unsupported", str(error))
    if isinstance(error, QueryTimeoutError):
        return ApiError(503, "query_timeout", str(error))
    if isinstance(error, StoreUnavailableError):
        return ApiError(503, "metrics_store_unavailable", str(error))
    if isinstance(error, ExecutionError):
        return ApiError(422, "query_failed", str(error))
    return ApiError(400, "bad_query", str(error))


def matrix_to_columns(matrix: Matrix, legend: str, *, max_series: int) -> dict[str, object]:
    """Return `{"t", "series": [{"name", "labels", "v"}], "truncated_series"}`.

    Gaps, NaN and infinities are None, which is all that JSON has for them.

    Args:
        matrix: A range query's value.
        legend: A template for the names, see `render_legend`; empty for the labels themselves.
        max_series: How many series to keep; `truncated_series` says how many are left out.
    """
    count = min(len(matrix.labels), max_series)
    series = [
        {
            "name": render_legend(legend, labels),
            "labels": dict(labels.pairs),
            "v": _column(values),
        }
        for labels, values in zip(matrix.labels[:count], matrix.values[:count], strict=True)
    ]
    return {
        "t": matrix.timestamps.tolist(),
        "series": series,
        "truncated_series": len(matrix.labels) - count,
    }


def render_legend(template: str, labels: Mapping[str, str]) -> str:
    """Fill `{{label}}` into `template`; without a template render the label set."""
    if template:
        return _PLACEHOLDER.sub(lambda match: labels.get(match[1], ""), template)
    return render_labels(labels if isinstance(labels, Labels) else Labels.of(labels))


def _column(values: FloatArray) -> list[float | None]:
    column: list[float | None] = values.tolist()
    for gap in np.flatnonzero(~np.isfinite(values)).tolist():
        column[gap] = None
    return column
