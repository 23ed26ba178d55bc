"""Which metric and which label cost what: the numbers of series behind them."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query

from resumatch_monitor.api.errors import ApiError, NotFoundError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.kit.clock import from_milliseconds, isoformat
from resumatch_monitor.metrics.admin import (
    Cardinality,
    CardinalitySource,
    LabelCardinality,
    MetricCardinality,
)
from resumatch_monitor.metrics.metadata import MetadataStore

_DEFAULT_LIMIT = 20
_DEFAULT_VALUES = 5
_LONGEST_NAME = 1024

Limit = Annotated[int, Query(ge=1, le=200)]


def build_router(
    *, source: CardinalitySource | None, metadata: MetadataStore, guard: Guard
) -> APIRouter:
    """Return the routes under `/api/monitor/cardinality`.

    Args:
        source: The store; None where another server keeps the samples.
        metadata: What is known of the metrics.
        guard: Lets viewers read.
    """
    router = APIRouter(prefix="/api/monitor/cardinality", dependencies=[Depends(guard.viewer)])
    # Counting a million series takes a second of a core: one at a time.
    turn = asyncio.Lock()

    def require(source: CardinalitySource | None) -> CardinalitySource:
        if source is None:
            raise ApiError(
                501, "external_store", "The samples are kept by another server: ask that one."
            )
        return source

    @router.get("")
    async def read_cardinality(limit: Limit = _DEFAULT_LIMIT) -> dict[str, Any]:
        async with turn:
            counted = await asyncio.to_thread(require(source).cardinality, limit)
        return _render(counted, metadata)

    @router.get("/{metric:path}")
    async def read_metric(
        metric: Annotated[str, Path(max_length=_LONGEST_NAME)], limit: Limit = _DEFAULT_VALUES
    ) -> dict[str, Any]:
        async with turn:
            counted = await asyncio.to_thread(require(source).metric_cardinality, metric, limit)
        if counted is None:
            raise NotFoundError(f"No series has the metric name {metric!r}.")
        return _render_metric(counted, metadata)

    return router


def _render(counted: Cardinality, metadata: MetadataStore) -> dict[str, Any]:
    return {
        "series": counted.series,
        "metrics": counted.metrics,
        "labels": counted.labels,
        "label_pairs": counted.label_pairs,
        "oldest_sample_at": _render_time(counted.min_ms),
        "newest_sample_at": _render_time(counted.max_ms),
        "by_metric": [
            {
                "metric": metric,
                "series": series,
                "share": series / counted.series,
                **_describe(metric, metadata),
            }
            for metric, series in counted.by_metric
        ],
        "by_label": [
            {"label": label, "values": values} for label, values in counted.values_by_label
        ],
        "by_label_bytes": [
            {"label": label, "size_bytes": size} for label, size in counted.bytes_by_label
        ],
        "by_pair": [
            {"label": label, "value": value, "series": series, "share": series / counted.series}
            for (label, value), series in counted.series_by_pair
        ],
    }


def _render_metric(counted: MetricCardinality, metadata: MetadataStore) -> dict[str, Any]:
    return {
        "metric": counted.metric,
        "series": counted.series,
        **_describe(counted.metric, metadata),
        "labels": [_render_label(label) for label in counted.labels],
    }


def _render_label(counted: LabelCardinality) -> dict[str, Any]:
    return {
        "label": counted.label,
        "series": counted.series,
        "values": counted.values,
        "size_bytes": counted.size_bytes,
        "top_values": [{"value": value, "series": series} for value, series in counted.top_values],
    }


def _describe(metric: str, metadata: MetadataStore) -> dict[str, str | None]:
    said = next(iter(metadata.read(metric)), None)
    return {"type": said["type"] if said else None, "help": said["help"] if said else None}


def _render_time(time_ms: int | None) -> str | None:
    return None if time_ms is None else isoformat(from_milliseconds(time_ms))
