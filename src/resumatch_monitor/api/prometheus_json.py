"""Renders query results as Prometheus' HTTP API does; made to run in a query's own thread."""

from collections.abc import Sequence
from itertools import compress

import numpy as np
import orjson

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import FloatArray, is_absent
from resumatch_monitor.promql.engine import Answer
from resumatch_monitor.promql.format import format_float, format_json_float, format_seconds
from resumatch_monitor.promql.value import (
    InstantValue,
    InstantVector,
    Matrix,
    QueryLimitError,
    RangeVector,
    ScalarValue,
    StringValue,
)

MOST_POINTS = 2_000_000
"""In one answer; they are some 40 MB of JSON."""
_LARGEST_PLAIN_INTEGER = 1e15


def render_success(
    data: bytes, *, warnings: Sequence[str] = (), infos: Sequence[str] = ()
) -> bytes:
    """Put rendered `data` into the envelope."""
    parts = [b'{"status":"success","data":', data]
    if warnings:
        parts += [b',"warnings":', orjson.dumps(warnings)]
    if infos:
        parts += [b',"infos":', orjson.dumps(infos)]
    parts.append(b"}")
    return b"".join(parts)


def render_instant(answer: Answer[InstantValue], *, limit: int | None) -> bytes:
    """Render the answer of `/api/v1/query`.

    Raises:
        QueryLimitError: If it would be too large.
    """
    value = answer.value
    warnings = list(answer.warnings)
    match value:
        case ScalarValue():
            point = _point(value.timestamp_ms, format_float(value.value))
            data = _result("scalar", point)
        case StringValue():
            point = [_json_seconds(value.timestamp_ms), value.value]
            data = _result("string", _dump(point))
        case InstantVector():
            count = _limited(len(value.labels), limit, warnings)
            time = format_seconds(value.timestamp_ms)
            samples = [
                f'{{"metric":{_labels(labels)},"value":[{time},"{text}"]}}'
                for labels, text in zip(
                    value.labels[:count], _texts(value.values[:count]), strict=True
                )
            ]
            data = _result("vector", f"[{','.join(samples)}]")
        case RangeVector():
            _check_size(sum(block.values.size for block in value.blocks))
            data = _result("matrix", f"[{','.join(_range_vector(value))}]")
    return render_success(data.encode(), warnings=warnings, infos=answer.infos)


def render_range(answer: Answer[Matrix], *, limit: int | None) -> bytes:
    """Render the answer of `/api/v1/query_range`.

    Raises:
        QueryLimitError: If it would be too large.
    """
    matrix = answer.value
    warnings = list(answer.warnings)
    count = _limited(len(matrix.labels), limit, warnings)
    _check_size(count * len(matrix.timestamps))
    times = [f'[{format_seconds(time)},"' for time in matrix.timestamps.tolist()]
    series = [
        f'{{"metric":{_labels(labels)},"values":[{_points(times, values)}]}}'
        for labels, values in zip(matrix.labels[:count], matrix.values[:count], strict=True)
    ]
    data = _result("matrix", f"[{','.join(series)}]")
    return render_success(data.encode(), warnings=warnings, infos=answer.infos)


def _check_size(points: int) -> None:
    if points > MOST_POINTS:
        raise QueryLimitError(
            f"the answer would have {points} points, more than {MOST_POINTS}:"
            " ask for fewer series, a shorter range or a longer step"
        )


def _limited(count: int, limit: int | None, warnings: list[str]) -> int:
    if limit is None or count <= limit:
        return count
    warnings.append("results truncated due to limit")
    return limit


def _range_vector(value: RangeVector) -> list[str]:
    rendered: list[str] = []
    for block in value.blocks:
        times = [f'[{format_seconds(time)},"' for time in block.timestamps.tolist()]
        for labels, values in zip(block.labels, block.values, strict=True):
            points = _points(times, values)
            rendered.append(f'{{"metric":{_labels(labels)},"values":[{points}]}}')
    return rendered


def _points(times: Sequence[str], values: FloatArray) -> str:
    if np.isnan(values).any():
        there = ~is_absent(values)
        values = values[there]
        times = list(compress(times, there.tolist()))
    texts = _texts(values)
    return ",".join([f'{time}{text}"]' for time, text in zip(times, texts, strict=True)])


def _texts(values: FloatArray) -> list[str]:
    whole = np.abs(values) < _LARGEST_PLAIN_INTEGER
    if whole.all() and (values == np.trunc(values)).all() and not np.signbit(values).any():
        return list(map(str, values.astype(np.int64).tolist()))
    return list(map(format_json_float, values.tolist()))


def _labels(labels: Labels) -> str:
    return _dump(dict(labels.pairs))


def _dump(value: object) -> str:
    return orjson.dumps(value).decode()


def _point(time_ms: int, text: str) -> str:
    return f'[{format_seconds(time_ms)},"{text}"]'


def _json_seconds(time_ms: int) -> float | int:
    return time_ms // 1000 if time_ms % 1000 == 0 else time_ms / 1000


def _result(kind: str, result: str) -> str:
    return f'{{"resultType":"{kind}","result":{result}}}'
