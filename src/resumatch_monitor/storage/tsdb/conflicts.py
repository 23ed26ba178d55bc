"""Samples that contradict each other or what is stored: the first one counts."""

import numpy as np

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import (
    BoolArray,
    FloatArray,
    Rejection,
    SamplesRejectedError,
    TimeArray,
    is_absent,
)
from resumatch_monitor.storage.tsdb.telemetry import StoreTelemetry

_MOST_REJECTIONS_NAMED = 10


class Rejections:
    """Collects samples that cannot be stored, naming only the first."""

    def __init__(self) -> None:
        self._named: list[Rejection] = []
        self._counts: dict[str, int] = {}

    def add(self, labels: Labels, times: TimeArray, reason: str) -> None:
        """Note that the samples of `labels` at `times` are rejected."""
        if not len(times):
            return
        self._counts[reason] = self._counts.get(reason, 0) + len(times)
        room = _MOST_REJECTIONS_NAMED - len(self._named)
        self._named.extend(Rejection(labels, int(each), reason) for each in times[:room])

    def to_error(self, telemetry: StoreTelemetry) -> SamplesRejectedError | None:
        """Count them and return the error, if there are any."""
        for reason, count in self._counts.items():
            telemetry.rejected.labels(reason).inc(count)
        if not self._named:
            return None
        return SamplesRejectedError(self._named, count=sum(self._counts.values()))


def put_in_order(
    labels: Labels, times: TimeArray, values: FloatArray, rejections: Rejections
) -> tuple[TimeArray, FloatArray]:
    """Return ascending, distinct times; of samples at one time the first counts."""
    times, values = times.astype(np.int64), values.astype(np.float64)
    # The bits that mean "no sample" inside are a NaN like any other outside.
    values[is_absent(values)] = np.nan
    if len(times) < 2 or bool((times[1:] > times[:-1]).all()):
        return times, values
    distinct, first, group = np.unique(times, return_index=True, return_inverse=True)
    differs = ~_same(values, values[first][group])
    rejections.add(labels, times[differs], "conflict")
    return distinct, values[first]


def leave_out_known(
    labels: Labels,
    times: TimeArray,
    values: FloatArray,
    known: tuple[TimeArray, FloatArray],
    rejections: Rejections,
) -> tuple[TimeArray, FloatArray]:
    """Return the samples that are not among the `known` ones, which are in order."""
    known_times, known_values = known
    positions = np.searchsorted(known_times, times)
    positions[positions == len(known_times)] = 0
    stored = known_values[positions]
    is_known = (known_times[positions] == times) & ~is_absent(stored)
    rejections.add(labels, times[is_known & ~_same(values, stored)], "conflict")
    return times[~is_known], values[~is_known]


def _same(left: FloatArray, right: FloatArray) -> BoolArray:
    return (left == right) | (left.view(np.uint64) == right.view(np.uint64))
