"""Reads the answers of Prometheus' HTTP API into arrays."""

from collections.abc import Sequence
from http import HTTPStatus
from itertools import groupby
from typing import Any, cast

import numpy as np
import orjson

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import ABSENT, FloatArray, SeriesBlock, TimeArray
from resumatch_monitor.promql.engine import Answer
from resumatch_monitor.promql.value import (
    ExecutionError,
    InstantValue,
    InstantVector,
    Matrix,
    QueryError,
    QueryLimitError,
    QueryTimeoutError,
    RangeVector,
    ScalarValue,
    StoreUnavailableError,
    StringValue,
)

_HISTOGRAMS_LEFT_OUT = "native histograms of the metrics store are left out"
_LONGEST_MESSAGE = 500
_MS = 1000.0

Json = dict[str, Any]


def read_error(status: int, body: bytes, *, server: str) -> QueryError:
    """Return the error that stands for an answer which is none.

    Args:
        status: The HTTP status, not 200.
        body: The answer, or its beginning.
        server: Names the server in sentences.
    """
    kind, message = _read_envelope_error(body)
    if status == HTTPStatus.BAD_REQUEST:
        return QueryError(message)
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return ExecutionError(message)
    if status == HTTPStatus.SERVICE_UNAVAILABLE and kind in ("timeout", "canceled"):
        return QueryTimeoutError(message)
    said = {
        HTTPStatus.UNAUTHORIZED: "it refuses the monitor's credentials",
        HTTPStatus.FORBIDDEN: "it refuses the monitor's credentials",
        HTTPStatus.NOT_FOUND: "there is no Prometheus API at that address",
    }.get(HTTPStatus(status) if status in _STATUSES else HTTPStatus.OK)
    detail = said or (f"HTTP {status}: {message}" if message else f"HTTP {status}")
    return unavailable(server, detail)


def unavailable(server: str, reason: str) -> StoreUnavailableError:
    """Return the error for a server that does not answer as it should."""
    return StoreUnavailableError(f"the metrics store {server} is not available: {reason}")


def read_data(body: bytes, *, server: str) -> tuple[Any, Sequence[str], Sequence[str]]:
    """Return the `data` of a successful answer, its warnings and its infos.

    Raises:
        StoreUnavailableError: If it is not of the API.
    """
    try:
        envelope = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise unavailable(server, "its answer is not JSON") from None
    if not isinstance(envelope, dict):
        raise unavailable(server, "its answer is not one of Prometheus' API")
    answer = cast("Json", envelope)
    if answer.get("status") != "success" or "data" not in answer:
        raise unavailable(server, "its answer is not one of Prometheus' API")
    return answer["data"], _texts(answer.get("warnings")), _texts(answer.get("infos"))


def read_instant(body: bytes, at_ms: int, *, server: str) -> Answer[InstantValue]:
    """Read the answer of `/api/v1/query`.

    Raises:
        QueryError: If it is not of the API.
    """
    data, warnings, infos = read_data(body, server=server)
    try:
        kind, result = data["resultType"], data["result"]
        value: InstantValue
        if kind == "scalar":
            value = ScalarValue(at_ms, float(result[1]))
        elif kind == "string":
            value = StringValue(at_ms, str(result[1]))
        else:
            result, warnings = _without_histograms(result, warnings)
            value = _to_vector(result, at_ms) if kind == "vector" else _to_blocks(result)
    except (KeyError, TypeError, ValueError, IndexError):
        raise unavailable(server, "its answer is not one of Prometheus' API") from None
    return Answer(value, warnings, infos)


def read_range(
    body: bytes, *, start_ms: int, end_ms: int, step_ms: int, server: str
) -> Answer[Matrix]:
    """Read the answer of `/api/v1/query_range` for the same range.

    Raises:
        QueryError: If it is not of the API, or for other moments.
    """
    data, warnings, infos = read_data(body, server=server)
    steps = np.arange(start_ms, end_ms + 1, step_ms, dtype=np.int64)
    try:
        result, warnings = _without_histograms(data["result"], warnings)
        labels = [_labels(each) for each in result]
        values = np.full((len(result), len(steps)), ABSENT)
        for row, each in enumerate(result):
            times, points = _points(each["values"])
            columns = (times - start_ms) // step_ms
            if (columns < 0).any() or not np.array_equal(steps[columns], times):
                raise QueryLimitError(f"the metrics store {server} answers for other moments")
            values[row, columns] = points
    except (KeyError, TypeError, ValueError, IndexError):
        raise unavailable(server, "its answer is not one of Prometheus' API") from None
    order = sorted(range(len(labels)), key=lambda row: labels[row].pairs)
    matrix = Matrix(steps, [labels[row] for row in order], values[order] if order else values)
    return Answer(matrix, warnings, infos)


def _to_vector(result: Sequence[Json], at_ms: int) -> InstantVector:
    labels = [_labels(each) for each in result]
    values = np.fromiter((float(each["value"][1]) for each in result), np.float64, len(result))
    return InstantVector(at_ms, labels, values)


def _to_blocks(result: Sequence[Json]) -> RangeVector:
    """Join series that have the same times."""
    read = [(_labels(each), *_points(each["values"])) for each in result]
    read.sort(key=lambda series: (series[1].tobytes(), series[0].pairs))
    blocks: list[SeriesBlock] = []
    for _, group in groupby(read, key=lambda series: series[1].tobytes()):
        same = list(group)
        values = np.stack([points for _, _, points in same])
        blocks.append(SeriesBlock([labels for labels, _, _ in same], same[0][1], values))
    return RangeVector(blocks)


def _labels(series: Json) -> Labels:
    metric = series["metric"]
    if not isinstance(metric, dict):
        raise TypeError
    pairs = cast("dict[str, object]", metric)
    if not all(isinstance(value, str) for value in pairs.values()):
        raise TypeError
    return Labels(cast("dict[str, str]", pairs).items())


def _points(values: Sequence[tuple[float, str]]) -> tuple[TimeArray, FloatArray]:
    count = len(values)
    seconds = np.fromiter([time for time, _ in values], np.float64, count)
    points = np.fromiter([float(text) for _, text in values], np.float64, count)
    return np.rint(seconds * _MS).astype(np.int64), points


def _without_histograms(
    result: Sequence[Json], warnings: Sequence[str]
) -> tuple[Sequence[Json], Sequence[str]]:
    kept = [each for each in result if "value" in each or "values" in each]
    if len(kept) == len(result) and not any("histograms" in each for each in result):
        return result, warnings
    return kept, [*warnings, _HISTOGRAMS_LEFT_OUT]


def _read_envelope_error(body: bytes) -> tuple[str, str]:
    try:
        envelope = orjson.loads(body)
    except orjson.JSONDecodeError:
        envelope = None
    if isinstance(envelope, dict):
        answer = cast("Json", envelope)
        return str(answer.get("errorType", "")), str(answer.get("error", ""))[:_LONGEST_MESSAGE]
    text = " ".join(body[:_LONGEST_MESSAGE].decode(errors="replace").split())
    return "", "" if text.startswith("<") else text


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        return []
    return [str(each) for each in cast("list[object]", value)]


_STATUSES = frozenset(status.value for status in HTTPStatus)
