"""Opening stores, and a dictionary that says what they should hold."""

import struct
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels, Matcher, MatchOp
from resumatch_monitor.metrics.samples import FloatArray, SeriesBlock, TimeArray, is_absent
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore
from tests.support.clock import FakeClock

NOW_MS = to_milliseconds(FakeClock().now())
EVERYTHING = [Matcher("__name__", MatchOp.REGEX, ".+")]

Contents = dict[Labels, dict[int, int]]
"""For each series its samples: timestamp to the bits of the value."""


def open_store(folder: Path, **options: Any) -> TimeSeriesStore:
    settings: dict[str, Any] = {
        "clock": FakeClock(),
        "telemetry": Telemetry(),
        "retention": timedelta(days=30),
    }
    store = TimeSeriesStore(folder, **{**settings, **options})
    store.open()
    return store


def series(name: str, **labels: str) -> Labels:
    return Labels.of(labels, __name__=name)


def bits_of(value: float) -> int:
    (bits,) = struct.unpack("<Q", struct.pack("<d", value))
    return bits


def arrays(samples: Mapping[int, float]) -> tuple[TimeArray, FloatArray]:
    times = np.fromiter(samples, np.int64, len(samples))
    return times, np.fromiter(samples.values(), np.float64, len(samples))


def contents_of(blocks: Sequence[SeriesBlock]) -> Contents:
    """Flatten blocks, checking on the way what `Queryable.select` promises."""
    found: Contents = {}
    for block in blocks:
        block_values = block.values
        assert block_values.shape == (len(block.labels), len(block.timestamps))
        assert bool((np.diff(block.timestamps) > 0).all())
        for labels, values in zip(block.labels, block_values, strict=True):
            assert labels not in found, f"{labels!r} is in two blocks"
            present = np.flatnonzero(~is_absent(values))
            if not len(present):
                continue
            bits = values.view(np.uint64)
            found[labels] = {int(block.timestamps[i]): int(bits[i]) for i in present}
    return found


def read_all(store: TimeSeriesStore) -> Contents:
    return contents_of(store.select(EVERYTHING, 0, NOW_MS + 10**9))
