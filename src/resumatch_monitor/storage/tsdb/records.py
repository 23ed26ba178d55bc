"""Records of the write-ahead log: framing with checksums, and the five kinds there are.

A segment file is its magic, then records: length (4 bytes), CRC-32 (4) of what follows, kind (1),
payload. Every segment explains itself: series are numbered by the order in which the segment
names them, and a layout is a list of such numbers. Integers are little-endian.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

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

RefArray = npt.NDArray[np.uint32]
BitArray = npt.NDArray[np.uint64]


class Kind(IntEnum):
    """What a record holds."""

    SERIES = 1
    LAYOUT = 2
    ROW = 3
    SAMPLES = 4
    SEAL = 5


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
    pairs = orjson.loads(_decompress(payload))
    return [Labels((name, value) for name, value in each) for each in pairs]


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
    planes = np.ascontiguousarray(changed.view(np.uint8).reshape(-1, 8).T)
    return _ROW.pack(number, timestamp_ms) + compressor.compress(planes.tobytes())


def unpack_row(payload: memoryview) -> tuple[int, int, BitArray]:
    """Return layout number, timestamp and changed bits."""
    number, timestamp_ms = _ROW.unpack_from(payload)
    planes = np.frombuffer(_decompress(payload[_ROW.size :]), np.uint8).reshape(8, -1)
    return number, timestamp_ms, np.ascontiguousarray(planes.T).view(np.uint64).reshape(-1)


def pack_samples(
    series: Sequence[tuple[int, TimeArray, FloatArray]], compressor: zstandard.ZstdCompressor
) -> bytes:
    """Store samples with their own times, by the numbers of their series."""
    refs = np.array([ref for ref, _, _ in series], dtype="<u4")
    counts = np.array([len(times) for _, times, _ in series], dtype="<u4")
    times = np.concatenate([each for _, each, _ in series]).astype("<i8")
    values = np.concatenate([each for _, _, each in series]).astype("<f8")
    body = b"".join(each.tobytes() for each in (refs, counts, times, values))
    return _SAMPLES.pack(len(refs), len(times)) + compressor.compress(body)


def unpack_samples(payload: memoryview) -> list[tuple[int, TimeArray, FloatArray]]:
    """Return series number, times and values, a series each."""
    series_count, sample_count = _SAMPLES.unpack_from(payload)
    body = _decompress(payload[_SAMPLES.size :])
    if len(body) != 8 * series_count + 16 * sample_count:
        raise RecordError("a record of samples has the wrong size")
    refs = np.frombuffer(body, "<u4", series_count)
    counts = np.frombuffer(body, "<u4", series_count, 4 * series_count)
    times = np.frombuffer(body, "<i8", sample_count, 8 * series_count)
    values = np.frombuffer(body, "<f8", sample_count, 8 * series_count + 8 * sample_count)
    ends = np.cumsum(counts)
    return [
        (int(ref), times[end - count : end], values[end - count : end])
        for ref, end, count in zip(refs, ends, counts, strict=True)
    ]


def pack_seal(seal_id: int, cutoff_ms: int) -> bytes:
    """Mark the place up to which everything before `cutoff_ms` goes into block `seal_id`."""
    return _SEAL.pack(seal_id, cutoff_ms)


def unpack_seal(payload: memoryview) -> tuple[int, int]:
    """Return seal id and cut-off."""
    seal_id, cutoff_ms = _SEAL.unpack_from(payload)
    return seal_id, cutoff_ms


def _decompress(data: memoryview) -> bytes:
    # The checksum has vouched for the bytes, so the size that the frame states is our own.
    return zstandard.ZstdDecompressor().decompress(data)
