"""Renders query results as Prometheus' HTTP API does, piece by piece; made for worker threads.

A range answer may be a hundred megabytes of text, so it never exists as a whole: it is made in
pieces of some 256 KiB, each when the one before it is on its way.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import compress

import numpy as np
import orjson

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import BoolArray, FloatArray, TimeArray, is_absent
from resumatch_monitor.promql.engine import Answer
from resumatch_monitor.promql.format import format_float, format_json_float
from resumatch_monitor.promql.statistics import Statistics
from resumatch_monitor.promql.value import (
    InstantValue,
    InstantVector,
    Matrix,
    RangeVector,
    ScalarValue,
    StringValue,
)

TRUNCATED = "results truncated due to limit"
_PIECE_BYTES = 256 * 1024
_ROWS_CELLS = 64 * 1024
"""Cells that are looked at together, small enough for the cache."""
_VECTOR_ROWS = 1000
# Between these, the shortest digits that orjson writes are in the form that Go writes too.
_SMALLEST_PLAIN = 1e-5
_LARGEST_PLAIN = 1e16


def render_success(
    data: bytes, *, warnings: Sequence[str] = (), infos: Sequence[str] = ()
) -> bytes:
    """Put rendered `data` into the envelope."""
    return b'{"status":"success","data":' + data + _tail(warnings, infos)


def render_instant(
    answer: Answer[InstantValue], *, limit: int | None, has_statistics: bool
) -> Iterator[bytes]:
    """Render the answer of `/api/v1/query`, at most `limit` series of it.

    Yields:
        Pieces of the whole answer, envelope included.
    """
    value = answer.value
    match value:
        case ScalarValue():
            point = b"[%b,%b]" % (
                _render_seconds(value.timestamp_ms),
                orjson.dumps(format_float(value.value)),
            )
            return _render(answer, b"scalar", [point], has_statistics=has_statistics)
        case StringValue():
            point = b"[%b,%b]" % (
                _render_seconds(value.timestamp_ms),
                orjson.dumps(value.value),
            )
            return _render(answer, b"string", [point], has_statistics=has_statistics)
        case InstantVector():
            total = len(value.labels)
            rows = _vector_rows(value, _cut(total, limit))
            kind = b"vector"
        case RangeVector():
            total = sum(len(block.labels) for block in value.blocks)
            rows = _range_vector_rows(value, _cut(total, limit))
            kind = b"matrix"
    pieces = _as_list(rows)
    is_cut = limit is not None and total > limit
    return _render(answer, kind, pieces, has_statistics=has_statistics, is_cut=is_cut)


def render_range(
    answer: Answer[Matrix], *, limit: int | None, has_statistics: bool
) -> Iterator[bytes]:
    """Render the answer of `/api/v1/query_range`, at most `limit` series of it.

    Yields:
        Pieces of the whole answer, envelope included.
    """
    matrix = answer.value
    total = len(matrix.labels)
    count = _cut(total, limit)
    rows = _matrix_rows(matrix.timestamps, matrix.labels[:count], matrix.values[:count])
    return _render(
        answer,
        b"matrix",
        _as_list(rows),
        has_statistics=has_statistics,
        is_cut=count < total,
    )


def count_cells(value: InstantValue | Matrix) -> int:
    """Return how many samples `value` keeps in memory."""
    match value:
        case Matrix() | InstantVector():
            return int(value.values.size)
        case RangeVector():
            return sum(int(block.values.size) for block in value.blocks)
        case _:
            return 1


def render_numbers(values: FloatArray) -> list[bytes]:
    """Render (N,) values, none of them absent, as the API writes them, without quotes.

    The digits are the fewest that read back the same, in exponent notation below 1e-6 and from
    1e21 on.
    """
    return _render_numbers(values, _find_odd(values))


def _render(
    answer: Answer[InstantValue] | Answer[Matrix],
    kind: bytes,
    pieces: Iterable[bytes],
    *,
    has_statistics: bool,
    is_cut: bool = False,
) -> Iterator[bytes]:
    yield b'{"status":"success","data":{"resultType":"%b","result":' % kind
    yield from pieces
    if has_statistics:
        yield b',"stats":' + _render_statistics(answer.statistics)
    warnings = [*answer.warnings, TRUNCATED] if is_cut else answer.warnings
    yield b"}" + _tail(warnings, answer.infos)


def _tail(warnings: Sequence[str], infos: Sequence[str]) -> bytes:
    parts: list[bytes] = []
    if warnings:
        parts += [b',"warnings":', orjson.dumps(list(dict.fromkeys(warnings)))]
    if infos:
        parts += [b',"infos":', orjson.dumps(list(dict.fromkeys(infos)))]
    parts.append(b"}")
    return b"".join(parts)


def _render_statistics(statistics: Statistics) -> bytes:
    evaluation = statistics.prepare_seconds + statistics.evaluate_seconds + statistics.sort_seconds
    return orjson.dumps(
        {
            "timings": {
                "evalTotalTime": evaluation,
                "resultSortTime": statistics.sort_seconds,
                "queryPreparationTime": statistics.prepare_seconds,
                "innerEvalTime": statistics.evaluate_seconds,
                "execQueueTime": statistics.queue_seconds,
                "execTotalTime": statistics.queue_seconds + evaluation,
            },
            "samples": {
                "totalQueryableSamples": statistics.samples_loaded,
                "peakSamples": statistics.samples,
            },
        }
    )


def _cut(total: int, limit: int | None) -> int:
    return total if limit is None else min(limit, total)


def _as_list(rows: Iterable[bytes]) -> Iterator[bytes]:
    """Join rendered rows to a JSON list, in pieces of a good size."""
    waiting: list[bytes] = []
    size = 0
    opening = b"["
    for row in rows:
        waiting.append(row)
        size += len(row)
        if size >= _PIECE_BYTES:
            yield opening + b",".join(waiting)
            waiting, size, opening = [], 0, b","
    yield (opening if waiting or opening == b"[" else b"") + b",".join(waiting) + b"]"


def _vector_rows(vector: InstantVector, count: int) -> Iterator[bytes]:
    """Render many series at once: most of a vector is labels."""
    time = orjson.Fragment(_render_seconds(vector.timestamp_ms))
    for begin in range(0, count, _VECTOR_ROWS):
        end = min(begin + _VECTOR_ROWS, count)
        numbers = render_numbers(vector.values[begin:end])
        rows = [
            {"metric": labels.mapping, "value": (time, number.decode())}
            for labels, number in zip(vector.labels[begin:end], numbers, strict=True)
        ]
        yield orjson.dumps(rows)[1:-1]


def _range_vector_rows(vector: RangeVector, count: int) -> Iterator[bytes]:
    for block in vector.blocks:
        shown = min(count, len(block.labels))
        yield from _matrix_rows(block.timestamps, block.labels[:shown], block.values[:shown])
        count -= shown
        if not count:
            return


def _matrix_rows(times: TimeArray, labels: Sequence[Labels], values: FloatArray) -> Iterator[bytes]:
    """Render S series over T times; `values` is (S, T)."""
    step_count = len(times)
    firsts = [b'[%b,"' % _render_seconds(time) for time in times.tolist()]
    others = [b'"],' + first for first in firsts]
    row_count = max(1, _ROWS_CELLS // max(1, step_count))
    # Openers and numbers in turn; the openers stay, the numbers are written over.
    buffer: list[bytes] = [b""] * (2 * step_count)
    buffer[0::2] = firsts[:1] + others[1:]
    for begin in range(0, len(labels), row_count):
        block = values[begin : begin + row_count]
        gaps = is_absent(block) if np.isnan(block).any() else None
        odd = _find_odd(block)
        for row, own in enumerate(labels[begin : begin + row_count]):
            if gaps is not None and gaps[row].any():
                points = _render_with_gaps(firsts, others, block[row], ~gaps[row])
            else:
                buffer[1::2] = _render_numbers(block[row], odd[row] if odd is not None else None)
                points = b"".join(buffer)
            yield b'{"metric":%b,"values":[%b"]]}' % (_render_labels(own), points)


def _render_with_gaps(
    firsts: Sequence[bytes], others: Sequence[bytes], values: FloatArray, there: BoolArray
) -> bytes:
    shown = values[there]
    position = int(there.argmax())
    buffer: list[bytes] = [b""] * (2 * len(shown))
    buffer[0::2] = compress(others, there.tolist())
    buffer[0] = firsts[position]
    buffer[1::2] = render_numbers(shown)
    return b"".join(buffer)


def _find_odd(values: FloatArray) -> BoolArray | None:
    """Return where orjson writes numbers in another form than Go, None if nowhere."""
    magnitudes = np.abs(values)
    plain: BoolArray = (magnitudes >= _SMALLEST_PLAIN) & (magnitudes < _LARGEST_PLAIN)
    plain |= magnitudes == 0
    if plain.all():
        return None
    return np.logical_not(plain)


def _render_numbers(values: FloatArray, odd: BoolArray | None) -> list[bytes]:
    if not len(values):
        return []
    text = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)
    numbers = (text[1:-1] + b",").replace(b".0,", b",").split(b",")
    numbers.pop()
    if odd is not None:
        for position in np.flatnonzero(odd).tolist():
            numbers[position] = _respell(numbers[position], values[position])
    return numbers


def _respell(number: bytes, value: np.float64) -> bytes:
    """Return a number that orjson wrote in the form that Go's API uses."""
    mantissa, _, exponent = number.partition(b"e")
    if exponent[:1] == b"-":
        if exponent == b"-6":
            whole, _, fraction = mantissa.partition(b".")
            sign = b"-" if whole[:1] == b"-" else b""
            return b"%b0.00000%b%b" % (sign, whole[-1:], fraction)
        return b"%be-%b" % (mantissa, exponent[1:].rjust(2, b"0"))
    return format_json_float(float(value)).encode()


def _render_labels(labels: Labels) -> bytes:
    return orjson.dumps(labels.mapping)


def _render_seconds(milliseconds: int) -> bytes:
    seconds, rest = divmod(abs(milliseconds), 1000)
    sign = "-" if milliseconds < 0 else ""
    return (f"{sign}{seconds}.{rest:03d}" if rest else f"{sign}{seconds}").encode()
