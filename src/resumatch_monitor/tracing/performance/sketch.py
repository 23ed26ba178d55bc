"""Distributions in DDSketch's bins: quantiles within 1 % of the value, merged by adding up.

Bins and their values are those of Datadog's `ddsketch`; what is stored of a sketch is only its
bins, so that thousands are merged at once as arrays.
"""

import math
import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from ddsketch.mapping import LogarithmicMapping

RELATIVE_ACCURACY = 0.01
_SMALLEST = 1.0
_LARGEST = 1e15
_BIN = np.dtype([("key", "<i2"), ("count", "<f4")])
_PACK = struct.Struct("<hf").pack
_COMPACTED_BYTES = 600


@lru_cache(maxsize=1)
def _mapping() -> "LogarithmicMapping":
    # Loaded when the first segment is counted or the first figure is read.
    from ddsketch.mapping import LogarithmicMapping  # noqa: PLC0415

    return LogarithmicMapping(RELATIVE_ACCURACY)


class SketchBuilder:
    """Counts values by bins."""

    __slots__ = ("bins",)

    def __init__(self) -> None:
        self.bins: dict[int, float] = {}

    def add(self, value: float, weight: float = 1.0) -> None:
        """Count a value; what is less than 1 or more than 1e15 counts as that."""
        key = _mapping().key(min(max(value, _SMALLEST), _LARGEST))
        self.bins[key] = self.bins.get(key, 0.0) + weight

    def pack(self) -> bytes:
        """Return the bins as they are stored."""
        return b"".join(map(_PACK, self.bins, self.bins.values()))


def merge_packed(one: bytes, other: bytes) -> bytes:
    """Return what two stored sketches have together.

    A bin may be there several times: small ones are only put one behind the other.
    """
    joined = one + other
    if len(joined) <= _COMPACTED_BYTES:
        return joined
    both = np.frombuffer(joined, dtype=_BIN)
    keys, places = np.unique(both["key"], return_inverse=True)
    packed = np.zeros(len(keys), dtype=_BIN)
    packed["key"] = keys
    packed["count"] = np.bincount(places, weights=both["count"], minlength=len(keys))
    return packed.tobytes()


class Distribution:
    """Values that were counted, merged from any number of stored sketches."""

    __slots__ = ("_counts", "_keys", "_sums", "_values")

    def __init__(self, packed: Iterable[bytes]) -> None:
        """Merge what `SketchBuilder.pack` returned."""
        both = np.frombuffer(b"".join(packed), dtype=_BIN)
        keys, places = np.unique(both["key"], return_inverse=True)
        self._counts = np.bincount(places, weights=both["count"], minlength=len(keys))
        self._keys = keys
        self._values = _values_of(keys)
        self._sums = np.cumsum(self._counts)

    @property
    def count(self) -> float:
        """How many values there are."""
        return float(self._sums[-1]) if len(self._sums) else 0.0

    def quantile(self, quantile: float) -> float | None:
        """Return the value below which that part of all values lies; None without values."""
        if not len(self._sums):
            return None
        rank = quantile * max(0.0, self.count - 1)
        at = int(np.searchsorted(self._sums, rank, side="right"))
        return float(self._values[min(at, len(self._values) - 1)])

    def count_up_to(self, value: float) -> float:
        """Return how many values are at most `value`, within the accuracy."""
        if value < _SMALLEST:
            return 0.0
        key = _mapping().key(min(value, _LARGEST))
        at = int(np.searchsorted(self._keys, key, side="right"))
        return float(self._sums[at - 1]) if at else 0.0

    def count_between(self, bounds: Sequence[float]) -> list[float]:
        """Return how many values are in each of the ranges that `bounds` part; one more than these.

        Args:
            bounds: Ascending; a value belongs to the first bound that it does not exceed.
        """
        sums = [self.count_up_to(bound) for bound in bounds]
        return [b - a for a, b in zip([0.0, *sums], [*sums, self.count], strict=True)]


def _values_of(keys: npt.NDArray[np.int16]) -> npt.NDArray[np.float64]:
    # `LogarithmicMapping.value` of many keys at once.
    gamma = _mapping().gamma
    return np.power(gamma, keys.astype(np.float64)) * (2.0 / (1.0 + gamma))


def apdex(distribution: Distribution, threshold: float) -> float | None:
    """Return the share of who is satisfied and half of who tolerates; None without values.

    Args:
        distribution: Durations.
        threshold: Up to which somebody is satisfied; up to four times that they tolerate it.
    """
    count = distribution.count
    if not count:
        return None
    satisfied = distribution.count_up_to(threshold)
    score = (satisfied + distribution.count_up_to(4 * threshold)) / (2 * count)
    return score if math.isfinite(score) else None
