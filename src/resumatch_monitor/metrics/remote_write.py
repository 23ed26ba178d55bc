"""Remote write 1.0: what a `WriteRequest` holds, read without an object for each sample.

A sender repeats the same series in every request, so the bytes of a series' labels lead at once to
the `Labels` object of the last time, and the value and the time behind them have nearly always the
same form. Only where they stand is noted, and NumPy reads all of them together. Any other form is
read field by field, which is slower and always right.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from resumatch_monitor.metrics.exemplars import SeriesExemplars
from resumatch_monitor.metrics.exposition_lines import Metadata
from resumatch_monitor.metrics.label_limits import LabelLimits
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.problems import Problems
from resumatch_monitor.metrics.remote_labels import find_labels_end, read_plain_labels
from resumatch_monitor.metrics.remote_samples import (
    SAMPLE_SIZE,
    ZERO_MARK,
    ZERO_SIZE,
    find_sample_stops,
    read_samples_before,
)
from resumatch_monitor.metrics.remote_series import (
    LabelsError,
    RawSeries,
    read_labels,
    read_series,
    show_labels,
)
from resumatch_monitor.metrics.samples import FloatArray, SampleBatch, TimeArray
from resumatch_monitor.metrics.wire import BYTES, VARINT, WireError, read_varint, walk

_SERIES_TAG = 0x0A
_SERIES_FIELD = 1
_METADATA_FIELD = 3
_MOST_ENTRIES = 100_000
_MOST_SAMPLES = 1_000_000
_MOST_EXEMPLARS = 100_000
_LONGEST_TEXT = 1024
_TYPES = (
    "unknown",
    "counter",
    "gauge",
    "histogram",
    "gaugehistogram",
    "summary",
    "info",
    "stateset",
)


class MalformedWriteError(ValueError):
    """A body is not a `WriteRequest`, or holds too much for one; nothing of it is taken."""


@dataclass(frozen=True, slots=True, eq=False)
class WriteRequest:
    """What a request holds.

    Attributes:
        batch: Its float samples.
        exemplars: Of each series that has any.
        metadata: By metric.
        problems: What of the request is refused.
    """

    batch: SampleBatch
    exemplars: Sequence[SeriesExemplars]
    metadata: dict[str, Metadata]
    problems: Problems


_Find = Callable[[bytes], Labels | None]


@dataclass(slots=True, eq=False)
class _Known:
    """The label sets of a generation of requests, and the texts that they are made of."""

    by_key: dict[bytes, Labels] = field(default_factory=dict[bytes, Labels])
    distinct: dict[Labels, Labels] = field(default_factory=dict[Labels, Labels])
    texts: dict[bytes, str] = field(default_factory=dict[bytes, str])

    def learn(self, key: bytes, labels: Labels) -> Labels:
        # Labels in another order, say, are other bytes and the same set.
        labels = self.distinct.setdefault(labels, labels)
        self.by_key[key] = labels
        return labels


@dataclass(slots=True, eq=False)
class _Scan:
    """One request while it is read.

    Attributes:
        labels: The series in the common form, and in `stops` where each ends.
        slow: Where the other ones begin and end.
        others: Where fields begin that are no series, and where each ends.
    """

    labels: list[Labels] = field(default_factory=list[Labels])
    stops: list[int] = field(default_factory=list[int])
    slow: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    others: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def add_slow(self, start: int, stop: int) -> None:
        self.slow.append((start, stop))
        _check_count(len(self.slow), _MOST_ENTRIES, "new or unusual series")

    def add_other(self, begin: int, stop: int) -> None:
        self.others.append((begin, stop))
        _check_count(len(self.others), _MOST_ENTRIES, "metadata")


class RemoteWriteParser:
    """Parses bodies; safe from several threads.

    It remembers the label sets of at most two times `remembered_series` series, and of one
    request beyond that.
    """

    def __init__(self, limits: LabelLimits, *, remembered_series: int = 100_000) -> None:
        self._limits = limits
        self._remembered = remembered_series
        self._known = _Known()
        self._before = _Known()

    def parse(self, body: bytes) -> WriteRequest:
        """Parse an unpacked body.

        Raises:
            MalformedWriteError: If it is malformed or has too many series, samples or exemplars.
        """
        if len(self._known.by_key) > self._remembered:
            self._before, self._known = self._known, _Known()
        known, before = self._known, self._before
        reading = _Reading(self._limits, known, before)
        try:
            scan = _scan(body, known.by_key.get, reading.guess_labels)
            times, values, is_sample = read_samples_before(body, np.array(scan.stops, np.int64))
            if not is_sample.all():
                # What follows known labels has another form here.
                scan = _scan(body, _know_nothing, _know_nothing)
                times, values, _ = read_samples_before(body, np.array(scan.stops, np.int64))
            reading.take_common(scan.labels, times, values)
            for start, stop in reading.take_runs(body, scan.slow):
                reading.take_series(body, start, stop)
            for begin, stop in scan.others:
                reading.take_other(body, begin, stop)
        except WireError as error:
            raise MalformedWriteError(f"the body is not a WriteRequest: {error}") from error
        return reading.finish()


def _know_nothing(_: bytes) -> None:
    return None


def _scan(body: bytes, labels_of: _Find, guess_labels: _Find) -> _Scan:
    """Find the series of a request, those in the common form by their labels.

    Args:
        body: The request.
        labels_of: Finds the label set of the bytes of labels, where it is known.
        guess_labels: Finds it otherwise, if the bytes are labels and nothing else.
    """
    scan = _Scan()
    add_labels, add_stop = scan.labels.append, scan.stops.append
    position, end = 0, len(body)
    try:
        while position < end:
            size = body[position + 1]
            start = position + 2
            if body[position] != _SERIES_TAG:
                position = _pass_over(body, position, scan)
                continue
            if size > 0x7F:
                if body[start] > 0x7F:
                    size, start = read_varint(body, position + 1, end)
                else:
                    size += (body[start] - 1) << 7
                    start += 1
            stop = start + size
            if stop > end:
                raise WireError(f"the series at byte {position} is cut off")
            labels = None
            if size > SAMPLE_SIZE:
                tail = ZERO_SIZE if body[stop - 8] == ZERO_MARK else SAMPLE_SIZE
                # If these bytes are labels, the tail begins where a field begins.
                key = body[start : stop - tail]
                labels = labels_of(key)
                if labels is None:
                    labels = guess_labels(key)
            if labels is None:
                scan.add_slow(start, stop)
            else:
                add_labels(labels)
                add_stop(stop)
            position = stop
    except IndexError:
        raise WireError(f"the field at byte {position} is cut off") from None
    return scan


def _pass_over(body: bytes, position: int, scan: _Scan) -> int:
    """Note a field that is not written as series are; return where it ends."""
    end = len(body)
    # A group ends where its fields do, so what it holds is left to the walk over all of it.
    if body[position] & 7 in (3, 4):
        scan.add_other(position, end)
        return end
    first = next(walk(body, position, end))
    scan.add_other(position, first.stop)
    return first.stop


class _Reading:
    """Collects what a request holds."""

    def __init__(self, limits: LabelLimits, known: _Known, before: _Known) -> None:
        self._limits = limits
        self._known = known
        self._before = before
        self._problems = Problems()
        self._labels: list[Labels] = []
        self._counts: list[npt.NDArray[np.int64]] = []
        self._times: list[TimeArray] = []
        self._values: list[FloatArray] = []
        self._entries = 0
        self._samples = 0
        self._exemplars: list[SeriesExemplars] = []
        self._exemplar_count = 0
        self._metadata: dict[str, Metadata] = {}

    def take_common(self, labels: list[Labels], times: TimeArray, values: FloatArray) -> None:
        """Take series with one sample each."""
        self._take(labels, np.ones(len(labels), dtype=np.int64), times, values)

    def take_runs(self, body: bytes, series: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Take series with any number of samples in the common form; return the other ones."""
        others: list[tuple[int, int]] = []
        labels: list[Labels] = []
        counts: list[int] = []
        stops: list[int] = []
        for start, stop in series:
            end = find_labels_end(body, start, stop)
            run = find_sample_stops(body, end, stop)
            known = self._look_up(body[start:end]) if run else None
            if run and known is not None:
                labels.append(known)
                counts.append(len(run))
                stops.extend(run)
            else:
                others.append((start, stop))
        times, values, is_sample = read_samples_before(body, np.array(stops, np.int64))
        if not is_sample.all():
            return series
        self._take(labels, np.array(counts, dtype=np.int64), times, values)
        return others

    def take_series(self, body: bytes, start: int, stop: int) -> None:
        """Take a series of any form."""
        raw = read_series(body, start, stop)
        self._check_size(raw)
        try:
            labels = self._find_labels(raw.key)
        except LabelsError as error:
            self._problems.add(str(error))
            return
        if raw.histograms:
            self._problems.add(
                f"{show_labels(labels)}: native histograms are not supported", count=raw.histograms
            )
        if len(raw.times):
            self._take([labels], np.array([len(raw.times)]), raw.times, raw.values)
        if raw.exemplars:
            self._exemplars.append(SeriesExemplars(labels, raw.exemplars))

    def take_other(self, body: bytes, begin: int, stop: int) -> None:
        """Take fields that are not written as series are: metadata, and whatever is unknown."""
        for each in walk(body, begin, stop):
            if each.kind == BYTES and each.number == _SERIES_FIELD:
                self.take_series(body, each.start, each.stop)
            elif each.kind == BYTES and each.number == _METADATA_FIELD:
                name, metadata = _read_metadata(body, each.start, each.stop)
                if name:
                    self._metadata[name] = metadata

    def finish(self) -> WriteRequest:
        """Return the request."""
        times, values = np.concatenate(self._times), np.concatenate(self._values)
        counts = np.concatenate(self._counts)
        batch = _build_batch(self._labels, counts, times, values)
        return WriteRequest(batch, self._exemplars, self._metadata, self._problems)

    def _take(
        self, labels: list[Labels], counts: TimeArray, times: TimeArray, values: FloatArray
    ) -> None:
        self._labels.extend(labels)
        self._counts.append(counts)
        self._times.append(times)
        self._values.append(values)
        self._samples += len(times)
        _check_count(self._samples, _MOST_SAMPLES, "samples")

    def _check_size(self, raw: RawSeries) -> None:
        self._entries += 1
        self._exemplar_count += len(raw.exemplars)
        _check_count(self._entries, _MOST_ENTRIES, "new or unusual series")
        _check_count(self._exemplar_count, _MOST_EXEMPLARS, "exemplars")

    def guess_labels(self, key: bytes) -> Labels | None:
        """Return the label set that `key` is, None if it is none or anything about it is odd."""
        known = self._known
        labels = self._before.by_key.get(key)
        if labels is None:
            labels = read_plain_labels(key, self._limits, known.texts)
        if labels is None:
            return None
        self._entries += 1
        _check_count(self._entries, _MOST_ENTRIES, "new or unusual series")
        return known.learn(key, labels)

    def _look_up(self, key: bytes) -> Labels | None:
        labels = self._known.by_key.get(key)
        return self.guess_labels(key) if labels is None else labels

    def _find_labels(self, key: bytes) -> Labels:
        labels = self._look_up(key)
        if labels is None:
            labels = self._known.learn(key, read_labels(key, self._limits))
        return labels


def _build_batch(
    labels: list[Labels], counts: TimeArray, times: TimeArray, values: FloatArray
) -> SampleBatch:
    # Equal label sets are one object here, and an object's id is quicker to hash than its pairs.
    if len(set(map(id, labels))) < len(labels):
        numbers: dict[int, int] = {}
        owners = np.array([numbers.setdefault(id(each), len(numbers)) for each in labels])
        order = np.argsort(np.repeat(owners, counts), kind="stable")
        times, values = times[order], values[order]
        counts = np.bincount(owners, weights=counts).astype(np.int64)
        labels = list({id(each): each for each in labels}.values())
    offsets = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(counts)))
    return SampleBatch(labels, offsets, times, values)


def _check_count(count: int, most: int, what: str) -> None:
    if count > most:
        raise MalformedWriteError(f"more than {most} {what} in one request")


def _read_metadata(body: bytes, start: int, stop: int) -> tuple[str, Metadata]:
    kind = 0
    texts = {2: "", 4: "", 5: ""}
    for each in walk(body, start, stop):
        if each.number == 1 and each.kind == VARINT:
            kind = each.value
        elif each.number in texts and each.kind == BYTES:
            texts[each.number] = body[each.start : each.stop][:_LONGEST_TEXT].decode(
                errors="replace"
            )
    known = _TYPES[kind] if kind < len(_TYPES) else _TYPES[0]
    return texts[2], Metadata(known, texts[4], texts[5])
