"""The write-ahead log: segments on disk, written and replayed."""

import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import zstandard

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import FloatArray, RowLayout, TimeArray
from resumatch_monitor.storage.tsdb import records
from resumatch_monitor.storage.tsdb.disk import AppendFile, Disk
from resumatch_monitor.storage.tsdb.index import IdArray
from resumatch_monitor.storage.tsdb.records import BitArray, Kind, RefArray

logger = logging.getLogger(__name__)

_SUFFIX = ".wal"
_NEVER = np.iinfo(np.int64).min
_LAYOUTS_PER_TARGET = 2


@dataclass(slots=True, eq=False)
class _LayoutState:
    """A layout that the open segment knows, and the last row written with it."""

    number: int
    layout: object
    bits: BitArray


class _Segment:
    """The open segment: its file and what it has named so far."""

    def __init__(self, path: Path, number: int, file: AppendFile) -> None:
        self.path = path
        self.number = number
        self.file = file
        self.size = 0
        self.latest_ms = _NEVER
        # By id the number that the segment has given a series, -1 for none.
        self.refs: npt.NDArray[np.int64] = np.full(1024, -1, dtype=np.int64)
        self.named = 0
        self.layouts: dict[str, list[_LayoutState]] = {}
        self.layout_count = 0


@dataclass(slots=True)
class ClosedSegment:
    """A segment that is not written any more.

    Attributes:
        latest_ms: The newest timestamp in it.
    """

    path: Path
    number: int
    size: int
    latest_ms: int


class WalWriter:
    """Encodes appends and makes groups of them durable; for one thread.

    Appends collect in memory until `commit`. When a commit fails, the segment is abandoned: what
    was not acknowledged is cut off, and the next append begins a segment that relies on nothing.
    """

    def __init__(self, folder: Path, *, disk: Disk, segment_bytes: int, next_number: int) -> None:
        self._folder = folder
        self._disk = disk
        self._segment_bytes = segment_bytes
        self._next_number = next_number
        self._compressor = zstandard.ZstdCompressor(level=1)
        self._segment: _Segment | None = None
        self._buffer: list[bytes] = []
        self.closed: list[ClosedSegment] = []

    @property
    def size_bytes(self) -> int:
        """The size of all segments."""
        open_size = self._segment.size if self._segment is not None else 0
        return open_size + sum(segment.size for segment in self.closed)

    def put_row(
        self,
        target_key: str,
        layout: RowLayout,
        ids: IdArray,
        timestamp_ms: int,
        values: FloatArray,
    ) -> None:
        """Encode one row."""
        segment = self._open_segment()
        state = self._layout_state(segment, target_key, layout, ids)
        bits = np.ascontiguousarray(values, dtype=np.float64).view(np.uint64)
        payload = records.pack_row(state.number, timestamp_ms, bits ^ state.bits, self._compressor)
        state.bits = bits.copy()
        self._put(Kind.ROW, payload)
        segment.latest_ms = max(segment.latest_ms, timestamp_ms)

    def put_samples(
        self,
        ids: IdArray,
        labels: Sequence[Labels],
        counts: RefArray,
        times: TimeArray,
        values: FloatArray,
    ) -> None:
        """Encode (N,) samples with their own times: `counts` of them for each of `ids`, (S,)."""
        segment = self._open_segment()
        refs = self._name(segment, ids, labels)
        self._put(Kind.SAMPLES, records.pack_samples(refs, counts, times, values, self._compressor))
        segment.latest_ms = max(segment.latest_ms, int(times.max()))

    def put_delete(self, series: Sequence[Labels], start_ms: int, end_ms: int) -> None:
        """Encode that the samples so far of `series` in `[start_ms, end_ms]` are deleted."""
        segment = self._open_segment()
        self._put(Kind.DELETE, records.pack_delete(series, start_ms, end_ms))
        # The mark must stay for as long as the log holds any of the samples.
        segment.latest_ms = max(segment.latest_ms, end_ms)

    def put_seal(self, seal_id: int, cutoff_ms: int) -> None:
        """Begin a segment with the mark of a seal."""
        self._close_segment()
        self._open_segment()
        self._put(Kind.SEAL, records.pack_seal(seal_id, cutoff_ms))

    def commit(self) -> None:
        """Make everything put since the last commit durable.

        Raises:
            OSError: Nothing of it counts then.
        """
        if not self._buffer:
            return
        segment = self._open_segment()
        data = b"".join(self._buffer)
        self._buffer = []
        segment.file.write(data)
        segment.file.sync()
        segment.size += len(data)
        if segment.size >= self._segment_bytes:
            self._close_segment()

    def abandon(self) -> None:
        """Forget what was put since the last commit and leave the segment as it was then."""
        self._buffer = []
        segment = self._segment
        if segment is None:
            return
        with contextlib.suppress(OSError):
            segment.file.truncate(segment.size)
            segment.file.sync()
        self._close_segment()

    def close(self) -> None:
        """Close the open segment."""
        self._close_segment()

    def remove_before(self, cutoff_ms: int, *, below: int) -> None:
        """Remove closed segments numbered under `below` whose samples are all before the time."""
        kept: list[ClosedSegment] = []
        for segment in self.closed:
            if segment.number < below and segment.latest_ms < cutoff_ms:
                segment.path.unlink(missing_ok=True)
            else:
                kept.append(segment)
        self.closed = kept

    @property
    def open_number(self) -> int:
        """The number of the segment that the next append goes to."""
        return self._segment.number if self._segment is not None else self._next_number

    def _put(self, kind: Kind, payload: bytes) -> None:
        self._buffer.append(records.frame(kind, payload))

    def _open_segment(self) -> _Segment:
        if self._segment is None:
            number = self._next_number
            path = self._folder / f"{number:010d}{_SUFFIX}"
            file = self._disk.create(path)
            self._next_number = number + 1
            self._segment = _Segment(path, number, file)
            self._buffer.insert(0, records.MAGIC)
        return self._segment

    def _close_segment(self) -> None:
        segment = self._segment
        if segment is None:
            return
        self._segment = None
        with contextlib.suppress(OSError):
            segment.file.close()
        self.closed.append(
            ClosedSegment(segment.path, segment.number, segment.size, segment.latest_ms)
        )

    def _layout_state(
        self, segment: _Segment, target_key: str, layout: RowLayout, ids: IdArray
    ) -> _LayoutState:
        states = segment.layouts.setdefault(target_key, [])
        for position, state in enumerate(states):
            if state.layout is layout:
                states.insert(0, states.pop(position))
                return state
        refs = self._name(segment, ids, layout.labels)
        segment.layout_count += 1
        state = _LayoutState(segment.layout_count, layout, np.zeros(len(ids), dtype=np.uint64))
        payload = records.pack_layout(state.number, target_key, refs, self._compressor)
        self._put(Kind.LAYOUT, payload)
        states.insert(0, state)
        del states[_LAYOUTS_PER_TARGET:]
        return state

    def _name(self, segment: _Segment, ids: IdArray, labels: Sequence[Labels]) -> RefArray:
        """Return the segment's numbers of `ids`, which have `labels`, naming those it lacks."""
        largest = int(ids.max(initial=0))
        if largest >= len(segment.refs):
            larger = np.full(2 * (largest + 1), -1, dtype=np.int64)
            larger[: len(segment.refs)] = segment.refs
            segment.refs = larger
        missing = np.flatnonzero(segment.refs[ids] < 0)
        if len(missing):
            segment.refs[ids[missing]] = segment.named + np.arange(len(missing))
            segment.named += len(missing)
            fresh = [labels[each] for each in missing.tolist()]
            self._put(Kind.SERIES, records.pack_series(fresh, self._compressor))
        return segment.refs[ids].astype(np.uint32)


class Replay(Protocol):
    """Takes what a log holds, in the order in which it was written."""

    def add_series(self, labels: Labels) -> int:
        """Return the id of a series."""
        ...

    def row(
        self,
        target_key: str,
        layout: RowLayout,
        ids: IdArray,
        timestamp_ms: int,
        values: FloatArray,
    ) -> None:
        """Take one row."""
        ...

    def samples(self, ids: IdArray, times: TimeArray, values: FloatArray) -> None:
        """Take (N,) samples with their own times."""
        ...

    def delete(self, series: Sequence[Labels], start_ms: int, end_ms: int) -> None:
        """Take that the samples so far of `series` in `[start_ms, end_ms]` are deleted."""
        ...

    def seal(self, seal_id: int, cutoff_ms: int) -> None:
        """Take the mark of a seal."""
        ...


def replay_folder(
    folder: Path, replay: Replay, *, on_damage: Callable[[Path, str], None]
) -> list[ClosedSegment]:
    """Replay every segment in `folder`, in order, and return them.

    A record whose writing was interrupted was never acknowledged and is ignored. Damage anywhere
    else ends the reading of that segment alone, and `on_damage` is told.
    """
    segments: list[ClosedSegment] = []
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        data = path.read_bytes()
        reader = _SegmentReader(replay)
        offset = 0 if data[: len(records.MAGIC)] != records.MAGIC else len(records.MAGIC)
        problem = ""
        for end, kind, payload in records.read_records(data):
            try:
                reader.take(kind, payload)
            # Whatever an impossible record makes the decoders raise, the rest must be readable.
            except Exception as error:
                logger.exception("A record of %s cannot be replayed", path.name)
                problem = f"a record does not decode: {error}"
                break
            offset = end
        tail = records.judge_tail(data, offset)
        if problem or not (tail.is_clean or tail.is_torn):
            on_damage(path, problem or f"unreadable from byte {offset}")
        elif tail.is_torn:
            # The bytes stay, and writing goes on in another segment: should this be damage after
            # all, nothing that could still be read by hand has been destroyed.
            logger.info("Ignoring an interrupted write in %s from byte %d", path.name, offset)
        number = int(path.stem)
        segments.append(ClosedSegment(path, number, len(data), reader.latest_ms))
    return segments


class _SegmentReader:
    """The state that a segment's records build up."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._labels: list[Labels] = []
        self._ids: list[int] = []
        self._id_array: IdArray = np.empty(0, dtype=np.int32)
        self._layouts: dict[int, tuple[str, RowLayout, IdArray]] = {}
        self._bits: dict[int, BitArray] = {}
        self.latest_ms: int = _NEVER

    def take(self, kind: int, payload: memoryview) -> None:
        """Take one record."""
        match kind:
            case Kind.SERIES:
                labels = records.unpack_series(payload)
                self._labels.extend(labels)
                self._ids.extend(self._replay.add_series(each) for each in labels)
            case Kind.LAYOUT:
                self._take_layout(*records.unpack_layout(payload))
            case Kind.ROW:
                self._take_row(*records.unpack_row(payload))
            case Kind.SAMPLES:
                refs, counts, times, values = records.unpack_samples(payload)
                self.latest_ms = max(self.latest_ms, int(times.max()))
                self._replay.samples(np.repeat(self._numbers()[refs], counts), times, values)
            case Kind.DELETE:
                series, start_ms, end_ms = records.unpack_delete(payload)
                self.latest_ms = max(self.latest_ms, end_ms)
                self._replay.delete(series, start_ms, end_ms)
            case Kind.SEAL:
                self._replay.seal(*records.unpack_seal(payload))
            case _:
                raise records.RecordError(f"there is no kind {kind} of record")

    def _numbers(self) -> IdArray:
        if len(self._id_array) != len(self._ids):
            self._id_array = np.array(self._ids, dtype=np.int32)
        return self._id_array

    def _take_layout(self, number: int, target_key: str, refs: RefArray) -> None:
        wanted: list[int] = refs.tolist()
        layout = RowLayout([self._labels[ref] for ref in wanted])
        ids = self._numbers()[refs]
        self._layouts[number] = (target_key, layout, ids)
        self._bits[number] = np.zeros(len(ids), dtype=np.uint64)

    def _take_row(self, number: int, timestamp_ms: int, changed: BitArray) -> None:
        target_key, layout, ids = self._layouts[number]
        bits = self._bits[number] = self._bits[number] ^ changed
        self.latest_ms = max(self.latest_ms, timestamp_ms)
        self._replay.row(target_key, layout, ids, timestamp_ms, bits.view(np.float64))
