"""`/federate`: the latest samples as text, for another Prometheus to scrape."""

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from fastapi import APIRouter, Depends

from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.prometheus_answer import Body, Endpoint, begin_body
from resumatch_monitor.api.prometheus_json import render_numbers
from resumatch_monitor.api.prometheus_params import Params
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.metrics.labels import METRIC_NAME, Labels, Matcher, escape_label_value
from resumatch_monitor.metrics.samples import (
    FloatArray,
    Queryable,
    SeriesBlock,
    TimeArray,
    is_absent,
    is_stale,
)
from resumatch_monitor.promql.context import DEFAULT_LOOKBACK_MS
from resumatch_monitor.promql.runner import QueryRunner

_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PIECE_LINES = 2_000
_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_:]|^(?=[0-9])")
_NOT_IN_A_LABEL = re.compile(r"[^a-zA-Z0-9_]|^(?=[0-9])")

Latest = dict[Labels, tuple[int, float]]


def build_router(
    *, queries: QueryRunner, external_labels: Mapping[str, str], guard: Guard, clock: Clock
) -> APIRouter:
    """Return `/federate`.

    Args:
        queries: Reads the store.
        external_labels: Added to series that have no such labels.
        guard: Lets viewers read.
        clock: What the time is.
    """
    router = APIRouter(dependencies=[Depends(guard.viewer)])

    async def federate(params: Params) -> Body:
        sets = params.matcher_sets(required=False)
        now_ms = params.now_ms()

        def read(store: Queryable) -> Body:
            latest = _find_latest(store, sets, now_ms)
            return begin_body(
                _render(latest, external_labels), cells=len(latest), media_type=_MEDIA_TYPE
            )

        return await queries.read(read)

    endpoint = Endpoint(router, clock=clock)
    endpoint.add("/federate", federate, is_long=True, has_plain_errors=True)
    return router


def _find_latest(store: Queryable, sets: Sequence[Sequence[Matcher]], now_ms: int) -> Latest:
    latest: Latest = {}
    for matchers in sets:
        for block in store.select(matchers, now_ms - DEFAULT_LOOKBACK_MS + 1, now_ms):
            times, values, is_there = _take_last(block)
            for labels, time, value, shown in zip(
                block.labels, times.tolist(), values.tolist(), is_there.tolist(), strict=True
            ):
                if shown and labels.metric_name:
                    latest[labels] = (time, value)
    return latest


def _take_last(
    block: SeriesBlock,
) -> tuple[TimeArray, FloatArray, "np.ndarray[tuple[int], np.dtype[np.bool_]]"]:
    """Return the times and values of the last samples of a block's series.

    Returns:
        Three times (S,): the last is false for a series without a sample or that has ended.
    """
    present = ~is_absent(block.values)
    last = present.shape[1] - 1 - present[:, ::-1].argmax(axis=1)
    values = block.values[np.arange(len(last)), last]
    return block.timestamps[last], values, present.any(axis=1) & ~is_stale(values)


def _render(latest: Latest, external_labels: Mapping[str, str]) -> Iterator[bytes]:
    found = sorted(latest.items(), key=lambda each: (each[0].metric_name, each[0].pairs))
    numbers = render_numbers(np.array([value for _, (_, value) in found], dtype=np.float64))
    previous = ""
    lines: list[str] = []
    for (labels, (time, _)), number in zip(found, numbers, strict=True):
        name = _NOT_IN_A_NAME.sub("_", labels.metric_name)
        if name != previous:
            lines.append(f"# TYPE {name} untyped\n")
            previous = name
        lines.append(f"{name}{_render_labels(labels, external_labels)} {number.decode()} {time}\n")
        if len(lines) >= _PIECE_LINES:
            yield "".join(lines).encode()
            lines = []
    yield "".join(lines).encode()


def _render_labels(labels: Labels, external_labels: Mapping[str, str]) -> str:
    pairs = [(name, value) for name, value in labels.pairs if name != METRIC_NAME]
    pairs += [(name, value) for name, value in external_labels.items() if name not in labels]
    inner = ",".join(
        f'{_NOT_IN_A_LABEL.sub("_", name)}="{escape_label_value(value)}"' for name, value in pairs
    )
    return f"{{{inner}}}" if inner else ""
