"""What Prometheus' API tells of the server itself."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends

from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.prometheus_answer import Endpoint, render_data
from resumatch_monitor.api.prometheus_params import Params, bad_data
from resumatch_monitor.kit.clock import Clock, isoformat
from resumatch_monitor.metrics.admin import Cardinality, CardinalitySource

_DEFAULT_LIMIT = 10
_LARGEST_LIMIT = 10_000
_NO_MEMORY_LIMIT = (1 << 63) - 1
# What Prometheus writes for the times of a head without samples.
_NO_MIN_MS, _NO_MAX_MS = (1 << 63) - 1, -(1 << 63)


@dataclass(frozen=True, slots=True)
class StatusSources:
    """Where the answers come from.

    Attributes:
        config: The configuration as YAML, without secrets.
        flags: What Prometheus is told by flags, by their names.
        started_at: When the process began; the configuration is as old.
        retention: How long samples are kept, as Prometheus writes it.
        corruptions: How many damaged places the store has found.
        cardinality: Counts series; None where the store cannot.
    """

    config: Callable[[], str]
    flags: Mapping[str, str]
    started_at: datetime
    retention: str
    corruptions: Callable[[], int]
    cardinality: CardinalitySource | None


def build_router(*, sources: StatusSources, guard: Guard, clock: Clock) -> APIRouter:
    """Return the routes under `/api/v1/status`."""
    router = APIRouter(prefix="/api/v1/status", dependencies=[Depends(guard.viewer)])
    endpoint = Endpoint(router, clock=clock)
    handlers = _StatusHandlers(sources, clock)
    endpoint.add("/config", handlers.config)
    endpoint.add("/flags", handlers.flags)
    endpoint.add("/runtimeinfo", handlers.runtime)
    endpoint.add("/tsdb", handlers.tsdb)
    endpoint.add("/walreplay", handlers.replay)
    return router


class _StatusHandlers:
    def __init__(self, sources: StatusSources, clock: Clock) -> None:
        self._sources = sources
        self._clock = clock
        # Counting a million series takes a second of a core: one at a time.
        self._turn = asyncio.Lock()

    async def config(self, _: Params) -> bytes:
        return render_data({"yaml": self._sources.config()})

    async def flags(self, _: Params) -> bytes:
        return render_data(dict(self._sources.flags))

    async def runtime(self, _: Params) -> bytes:
        started = isoformat(self._sources.started_at)
        return render_data(
            {
                "startTime": started,
                "CWD": str(Path.cwd()),
                "hostname": socket.gethostname(),
                "serverTime": isoformat(self._clock.now()),
                "reloadConfigSuccess": True,
                "lastConfigTime": started,
                "corruptionCount": self._sources.corruptions(),
                # What Go has, told by what is nearest to it here.
                "goroutineCount": threading.active_count(),
                "GOMAXPROCS": os.cpu_count() or 1,
                "GOMEMLIMIT": _NO_MEMORY_LIMIT,
                "GOGC": "",
                "GODEBUG": "",
                "storageRetention": self._sources.retention,
            }
        )

    async def tsdb(self, params: Params) -> bytes:
        limit = _read_limit(params)
        source = self._sources.cardinality
        if source is None:
            raise bad_data("the samples are kept by another server: ask that one")
        async with self._turn:
            counted = await asyncio.to_thread(source.cardinality, limit)
        return render_data(_render_cardinality(counted))

    async def replay(self, _: Params) -> bytes:
        # The log is read before anything is answered.
        return render_data({"min": 0, "max": 0, "current": 0})


def _read_limit(params: Params) -> int:
    text = params.text("limit")
    if not text:
        return _DEFAULT_LIMIT
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise bad_data('invalid parameter "limit": limit must be a positive number')
    if int(text) > _LARGEST_LIMIT:
        raise bad_data(f'invalid parameter "limit": limit must not exceed {_LARGEST_LIMIT}')
    return int(text)


def _render_cardinality(counted: Cardinality) -> dict[str, Any]:
    return {
        "headStats": {
            "numSeries": counted.series,
            "numLabelPairs": counted.label_pairs,
            "chunkCount": counted.chunks,
            "minTime": _NO_MIN_MS if counted.min_ms is None else counted.min_ms,
            "maxTime": _NO_MAX_MS if counted.max_ms is None else counted.max_ms,
        },
        "seriesCountByMetricName": _render_counts(counted.by_metric),
        "labelValueCountByLabelName": _render_counts(counted.values_by_label),
        "memoryInBytesByLabelName": _render_counts(counted.bytes_by_label),
        "seriesCountByLabelValuePair": [
            {"name": f"{label}={value}", "value": count}
            for (label, value), count in counted.series_by_pair
        ],
    }


def _render_counts(counts: Any) -> list[dict[str, Any]]:
    return [{"name": name, "value": count} for name, count in counts]
