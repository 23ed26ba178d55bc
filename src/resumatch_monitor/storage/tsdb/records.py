"""Records of the write-ahead log: framing with checksums, and the six kinds there are.

A segment file is its magic, then records: length (4 bytes), CRC-32 (4) of what follows, kind (1),
payload. Every segment explains itself: series are numbered by the order in which the segment
names them, and a layout is a list of such numbers. Integers are little-endian.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from sys import intern

import numpy as np
import numpy.typing as npt
import orjson
import zstandard

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import FloatArray, TimeArray

MAGIC = b"RMWAL001"
LARGEST_RECORD = 256 * 1024 * 1024

_FRAME = struct.Struct("<II")
_ROW = struct.Struct("<Iq")
_LAYOUT = struct.Struct("<IH")
_SAMPLES = struct.Struct("<II")
_SEAL = struct.Struct("<Qq")
_COLUMNS = 1 << 31
"""Set in a record of samples whose times are differences and whose values are by significance."""

RefArray = npt.NDArray[np.uint32]
BitArray = npt.NDArray[np.uint64]


class Kind(IntEnum):
    """What a record holds."""

    SERIES = 1
    LAYOUT = 2
    ROW = 3
    SAMPLES = 4
    SEAL = 5
    DELETE = 6


class RecordError(Exception):
    """A record that passed its checksum says something impossible."""


@dataclass(frozen=True, slots=True)
class Tail:
    """Where the readable records of a segment end.

    Attributes:
        is_torn: What follows can be the beginning of a record whose writing was interrupted;
            otherwise the file is damaged.
    """

    offset: int
    is_clean: bool
    is_torn: bool


def frame(kind: Kind, payload: bytes) -> bytes:
    """Return a whole record."""
    body = bytes([kind]) + payload
    return _FRAME.pack(len(body), zlib.crc32(body)) + body


def read_records(data: bytes) -> Iterator[tuple[int, int, memoryview]]:
    """Yield `(end, kind, payload)` of a segment's records up to the first unreadable one."""
    view, position = memoryview(data), len(MAGIC)
    if data[: len(MAGIC)] != MAGIC:
        return
    while position + _FRAME.size < len(view):
        length, checksum = _FRAME.unpack_from(view, position)
        start = position + _FRAME.size
        if not 0 < length <= LARGEST_RECORD or start + length > len(view):
            return
        body = view[start : start + length]
        if zlib.crc32(body) != checksum:
            return
        position = start + length
        yield position, body[0], body[1:]


def judge_tail(data: bytes, offset: int) -> Tail:
    """Say what follows the last readable record, which ends at `offset`."""
    rest = data[offset:]
    if offset == 0:
        # Not even the magic was written in full.
        is_torn = len(data) < len(MAGIC) or not any(data)
        return Tail(offset, is_clean=False, is_torn=is_torn)
    if not rest:
        return Tail(offset, is_clean=True, is_torn=False)
    if len(rest) < _FRAME.size or not any(rest):
        return Tail(offset, is_clean=False, is_torn=True)
    length, _ = _FRAME.unpack_from(rest)
    # A crash of the machine may leave the last record at its full length with pages missing.
    is_torn = 0 < length <= LARGEST_RECORD and _FRAME.size + length >= len(rest)
    return Tail(offset, is_clean=False, is_torn=is_torn)


def pack_series(series: Sequence[Labels], compressor: zstandard.ZstdCompressor) -> bytes:
    """Name `series`, which get the next numbers."""
    return compressor.compress(orjson.dumps([each.pairs for each in series]))


def unpack_series(payload: memoryview) -> list[Labels]:
    """Return the label sets that a record names."""
    return [restore_labels(each) for each in orjson.loads(_decompress(payload))]


def restore_labels(pairs: Sequence[tuple[str, str]]) -> Labels:
    """Return a label set whose sorted pairs were written as JSON; equal texts share memory."""
    return Labels.from_sorted(tuple([(intern(name), intern(value)) for name, value in pairs]))


def pack_layout(
    number: int, target_key: str, refs: RefArray, compressor: zstandard.ZstdCompressor
) -> bytes:
    """Give a target's layout a number."""
    key = target_key.encode()
    # Mostly ascending by one, so that the differences compress to next to nothing.
    steps = np.diff(refs.astype(np.int64), prepend=0).astype("<i4")
    return _LAYOUT.pack(number, len(key)) + key + compressor.compress(steps.tobytes())


def unpack_layout(payload: memoryview) -> tuple[int, str, RefArray]:
    """Return number, target key and the numbers of the series."""
    number, size = _LAYOUT.unpack_from(payload)
    rest = payload[_LAYOUT.size :]
    steps = np.frombuffer(_decompress(rest[size:]), "<i4")
    refs = np.cumsum(steps.astype(np.int64)).astype(np.uint32)
    return number, str(rest[:size], "utf-8"), refs


def pack_row(
    number: int, timestamp_ms: int, changed: BitArray, compressor: zstandard.ZstdCompressor
) -> bytes:
    """Store a row as `changed`, the bits in which it differs from the layout's row before."""
    return _ROW.pack(number, timestamp_ms) + compressor.compress(_by_significance(changed))


def unpack_row(payload: memoryview) -> tuple[int, int, BitArray]:
    """Return layout number, timestamp and changed bits."""
    number, timestamp_ms = _ROW.unpack_from(payload)
    planes = np.frombuffer(_decompress(payload[_ROW.size :]), np.uint8)
    return number, timestamp_ms, _from_significance(planes)


def pack_samples(
    refs: RefArray,
    counts: RefArray,
    times: TimeArray,
    values: FloatArray,
    compressor: zstandard.ZstdCompressor,
) -> bytes:
    """Store (N,) samples with their own times: `counts` (S,) of them for each of `refs` (S,)."""
    body = b"".join(
        (
            refs.astype("<u4").tobytes(),
            counts.astype("<u4").tobytes(),
            # Mostly the same time over and over, or the same step.
            np.diff(times, prepend=0).astype("<i8").tobytes(),
            _by_significance(values.view(np.uint64)),
        )
    )
    return _SAMPLES.pack(len(refs) | _COLUMNS, len(times)) + compressor.compress(body)


def unpack_samples(payload: memoryview) -> tuple[RefArray, RefArray, TimeArray, FloatArray]:
    """Return the numbers of S series, how many samples each has, and N times and values."""
    series_count, sample_count = _SAMPLES.unpack_from(payload)
    is_columns, series_count = bool(series_count & _COLUMNS), series_count & ~_COLUMNS
    body = _decompress(payload[_SAMPLES.size :])
    if len(body) != 8 * series_count + 16 * sample_count:
        raise RecordError("a record of samples has the wrong size")
    refs = np.frombuffer(body, "<u4", series_count)
    counts = np.frombuffer(body, "<u4", series_count, 4 * series_count)
    times = np.frombuffer(body, "<i8", sample_count, 8 * series_count)
    rest = body[8 * series_count + 8 * sample_count :]
    if int(counts.sum()) != sample_count:
        raise RecordError("a record of samples has other samples than it says")
    if not is_columns:
        # The format's first form.
        return refs, counts, times, np.frombuffer(rest, "<f8")
    values = _from_significance(np.frombuffer(rest, np.uint8)).view(np.float64)
    return refs, counts, np.cumsum(times), values


def pack_delete(series: Sequence[Labels], start_ms: int, end_ms: int) -> bytes:
    """Mark that the samples so far of `series` in `[start_ms, end_ms]` are deleted."""
    content = {"from": start_ms, "to": end_ms, "series": [each.pairs for each in series]}
    return zstandard.ZstdCompressor(level=1).compress(orjson.dumps(content))


def unpack_delete(payload: memoryview) -> tuple[list[Labels], int, int]:
    """Return the label sets, and the first and the last millisecond."""
    content = orjson.loads(_decompress(payload))
    series = [restore_labels(each) for each in content["series"]]
    return series, content["from"], content["to"]


def pack_seal(seal_id: int, cutoff_ms: int) -> bytes:
    """Mark the place up to which everything before `cutoff_ms` goes into block `seal_id`."""
    return _SEAL.pack(seal_id, cutoff_ms)


def unpack_seal(payload: memoryview) -> tuple[int, int]:
    """Return seal id and cut-off."""
    seal_id, cutoff_ms = _SEAL.unpack_from(payload)
    return seal_id, cutoff_ms


def _by_significance(bits: BitArray) -> bytes:
    """Return the first bytes of all, then the second ones, …: like ones beside each other."""
    return np.ascontiguousarray(bits.view(np.uint8).reshape(-1, 8).T).tobytes()


def _from_significance(planes: npt.NDArray[np.uint8]) -> BitArray:
    return np.ascontiguousarray(planes.reshape(8, -1).T).view(np.uint64).reshape(-1)


def _decompress(data: memoryview) -> bytes:
    # The checksum has vouched for the bytes, so the size that the frame states is our own.
    return zstandard.ZstdDecompressor().decompress(data)
