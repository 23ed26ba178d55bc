"""One `TimeSeries` of a remote-write request: its labels, checked, and whatever it brings."""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from resumatch_monitor.metrics.exemplars import Exemplar
from resumatch_monitor.metrics.label_limits import LabelLimits
from resumatch_monitor.metrics.labels import METRIC_NAME, Labels, render_labels
from resumatch_monitor.metrics.samples import FloatArray, TimeArray
from resumatch_monitor.metrics.wire import BYTES, FIXED64, VARINT, to_signed, walk

LABELS_FIELD = 1
_SAMPLES_FIELD = 2
_EXEMPLARS_FIELD = 3
_HISTOGRAMS_FIELD = 4
_VALUE_FIELD = 1
_TIMESTAMP_FIELD = 2
_EXEMPLAR_VALUE_FIELD = 2
_EXEMPLAR_TIMESTAMP_FIELD = 3
_BITS = struct.Struct("<Q")
_DOUBLE = struct.Struct("<d")
_LONGEST_SHOWN = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

Pairs = list[tuple[bytes, bytes]]


class LabelsError(ValueError):
    """A series cannot be named so; the message names it and says why."""


@dataclass(frozen=True, slots=True, eq=False)
class RawSeries:
    """What was read of one `TimeSeries`.

    Attributes:
        key: The bytes of its labels, one field after the other.
        times: (N,) milliseconds, one a sample.
        values: (N,) bit for bit as they came.
        exemplars: In the order of the request.
        histograms: How many native histograms there are.
    """

    key: bytes
    times: TimeArray
    values: FloatArray
    exemplars: list[Exemplar]
    histograms: int


def read_series(data: bytes, start: int, stop: int) -> RawSeries:
    """Read the `TimeSeries` in `data[start:stop]`, whatever the order of its fields.

    Raises:
        WireError: If it is malformed.
    """
    keys: list[bytes] = []
    times: list[int] = []
    bits: list[int] = []
    exemplars: list[Exemplar] = []
    histograms = 0
    for each in walk(data, start, stop):
        if each.kind != BYTES:
            continue
        if each.number == LABELS_FIELD:
            keys.append(data[each.begin : each.stop])
        elif each.number == _SAMPLES_FIELD:
            time, value = _read_sample(data, each.start, each.stop)
            times.append(time)
            bits.append(value)
        elif each.number == _EXEMPLARS_FIELD:
            exemplars.append(_read_exemplar(data, each.start, each.stop))
        elif each.number == _HISTOGRAMS_FIELD:
            histograms += 1
    return RawSeries(
        b"".join(keys),
        np.array(times, dtype=np.int64),
        np.array(bits, dtype=np.uint64).view(np.float64),
        exemplars,
        histograms,
    )


def _read_sample(data: bytes, start: int, stop: int) -> tuple[int, int]:
    time = bits = 0
    for each in walk(data, start, stop):
        if each.number == _VALUE_FIELD and each.kind == FIXED64:
            (bits,) = _BITS.unpack_from(data, each.start)
        elif each.number == _TIMESTAMP_FIELD and each.kind == VARINT:
            time = to_signed(each.value)
    return time, bits


def _read_exemplar(data: bytes, start: int, stop: int) -> Exemplar:
    pairs: Pairs = []
    value, time = 0.0, 0
    for each in walk(data, start, stop):
        if each.number == LABELS_FIELD and each.kind == BYTES:
            pairs.append(read_pair(data, each.start, each.stop))
        elif each.number == _EXEMPLAR_VALUE_FIELD and each.kind == FIXED64:
            (value,) = _DOUBLE.unpack_from(data, each.start)
        elif each.number == _EXEMPLAR_TIMESTAMP_FIELD and each.kind == VARINT:
            time = to_signed(each.value)
    labels = sorted(
        (name.decode(errors="replace"), text.decode(errors="replace")) for name, text in pairs
    )
    return Exemplar(tuple(labels), value, time)


def read_pair(data: bytes, start: int, stop: int) -> tuple[bytes, bytes]:
    """Read the `Label` in `data[start:stop]`.

    Raises:
        WireError: If it is malformed.
    """
    name = value = b""
    for each in walk(data, start, stop):
        if each.kind == BYTES and each.number == 1:
            name = data[each.start : each.stop]
        elif each.kind == BYTES and each.number == 2:
            value = data[each.start : each.stop]
    return name, value


def read_labels(key: bytes, limits: LabelLimits) -> Labels:
    """Return the label set of a series from the bytes of its labels.

    As in Prometheus the order does not matter and a label without a value is none.

    Raises:
        LabelsError: If there is no metric name, a name is empty or given twice, a text is not
            UTF-8, or there are more or longer labels than `limits` allow.
        WireError: If the bytes are no labels.
    """
    pairs: Pairs = []
    for each in walk(key, 0, len(key)):
        if len(pairs) == limits.labels:
            raise LabelsError(f"{_show(pairs)} has more than {limits.labels} labels")
        pairs.append(read_pair(key, each.start, each.stop))
    for name, value in pairs:
        if len(name) > limits.name_bytes:
            raise LabelsError(
                f"{_show(pairs)} has a label name of {len(name)} bytes,"
                f" more than {limits.name_bytes}"
            )
        if len(value) > limits.value_bytes:
            raise LabelsError(
                f"{_show(pairs)}: the value of label {name[:60].decode(errors='replace')!r} has"
                f" {len(value)} bytes, more than {limits.value_bytes}"
            )
    return check_labels(_decode(pairs))


def check_labels(pairs: Sequence[tuple[str, str]]) -> Labels:
    """Return the label set of decoded pairs.

    Raises:
        LabelsError: If there is no metric name, or a name is empty or given twice.
    """
    labels = Labels(pairs)
    names = [name for name, _ in pairs]
    if "" in names:
        raise LabelsError(f"{show_labels(labels)} has a label without a name")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise LabelsError(f"{show_labels(labels)} has label {twice!r} twice")
    if not labels.metric_name:
        raise LabelsError(f"{show_labels(labels)} has no label {METRIC_NAME}")
    return labels


def show_labels(labels: Labels) -> str:
    """Render a label set in one line of bounded length."""
    text = _CONTROL.sub("?", render_labels(labels))
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _decode(pairs: Pairs) -> list[tuple[str, str]]:
    try:
        return [(name.decode(), value.decode()) for name, value in pairs]
    except UnicodeDecodeError:
        raise LabelsError(f"{_show(pairs)} has a label that is not UTF-8") from None


def _show(pairs: Pairs) -> str:
    return show_labels(
        Labels(
            (name[:100].decode(errors="replace"), value[:100].decode(errors="replace"))
            for name, value in pairs
        )
    )
