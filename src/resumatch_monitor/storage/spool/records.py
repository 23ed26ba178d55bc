"""How records lie in a segment: magic, length, checksum, payload."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

MAGIC = b"\x9eRM\x01"
_HEADER = struct.Struct("<4sII")
HEADER_BYTES = _HEADER.size


@dataclass(frozen=True, slots=True)
class Unit:
    """A stretch of a segment: one record, or (`is_record` false) damage up to the next one."""

    start: int
    end: int
    is_record: bool


def encode_header(payload: bytes) -> bytes:
    """Return the bytes that stand before `payload`."""
    return _HEADER.pack(MAGIC, len(payload), _checksum(payload))


def walk(data: mmap, *, start: int, end: int) -> Iterator[Unit]:
    """Yield the units of `data[start:end]` without reading the payloads.

    Counting and reading both go by this, so they agree on what a record is even where a segment
    is damaged.
    """
    position = start
    while position < end:
        unit = _unit_at(data, position, end)
        yield unit
        position = unit.end


def read_payload(data: mmap, unit: Unit) -> bytes | None:
    """Return the payload of a record, or None if it is damaged."""
    if not unit.is_record:
        return None
    _, length, checksum = _HEADER.unpack_from(data, unit.start)
    first = unit.start + HEADER_BYTES
    payload = data[first : first + length]
    return payload if _checksum(payload) == checksum else None


def _unit_at(data: mmap, position: int, end: int) -> Unit:
    stop = _record_end(data, position, end)
    if stop is not None:
        return Unit(position, stop, is_record=True)
    candidate = position
    while True:
        candidate = data.find(MAGIC, candidate + 1, end)
        if candidate < 0:
            return Unit(position, end, is_record=False)
        if _record_end(data, candidate, end) is not None:
            return Unit(position, candidate, is_record=False)


def _record_end(data: mmap, position: int, end: int) -> int | None:
    """Return where the record at `position` ends, or None if there is none.

    A header counts if another record (or the end) follows where it says, or if its checksum is
    right: so neither a damaged payload nor a damaged successor makes a record disappear.
    """
    if position + HEADER_BYTES > end:
        return None
    magic, length, checksum = _HEADER.unpack_from(data, position)
    stop = position + HEADER_BYTES + length
    if magic != MAGIC or stop > end:
        return None
    if stop == end or data[stop : stop + len(MAGIC)] == MAGIC:
        return stop
    payload = data[position + HEADER_BYTES : stop]
    return stop if _checksum(payload) == checksum else None


def _checksum(payload: bytes) -> int:
    # Seeding with the length makes an empty or zero-filled record recognisable as damage.
    return zlib.crc32(payload, len(payload) ^ 0x5EED)
