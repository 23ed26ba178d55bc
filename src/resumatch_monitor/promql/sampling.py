"""The aggregation `limit_ratio`: a part of the series, chosen by a hash of their labels."""

from dataclasses import replace

import numpy as np
import xxhash

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import FloatArray
from resumatch_monitor.promql.vector import Vector

_LONG = 255


def hash_labels(labels: Labels) -> int:
    """Return the 64-bit hash that Prometheus 3 has for these labels.

    It is the xxHash of how its default build lays labels out in memory: names and values in
    order, each behind its length in one byte, or 255 and three bytes.
    """
    digest = xxhash.xxh64()
    for pair in labels.pairs:
        for text in pair:
            encoded = text.encode(errors="surrogateescape")
            size = len(encoded)
            digest.update(
                bytes([size]) if size < _LONG else b"\xff" + size.to_bytes(3, byteorder="little")
            )
            digest.update(encoded)
    return digest.intdigest()


def select_ratio(vector: Vector, ratios: FloatArray) -> Vector:
    """Keep, at each step, the share `ratios` (T,) of the series; -r is what 1 - r leaves."""
    labels = vector.visible_labels()
    places = np.array([hash_labels(each) / 2.0**64 for each in labels])[:, np.newaxis]
    kept = np.where(ratios >= 0, places < ratios, places >= 1.0 + ratios)
    if vector.present is not None:
        kept &= vector.present
    return replace(vector, present=kept).without_empty_series()
