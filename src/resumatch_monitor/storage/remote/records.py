"""A record of the queue: when it was taken in, and a compressed message for each lane."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import cramjam

from resumatch_monitor.metrics.remote_write_encode import Encoded

_HEAD = struct.Struct("<BBq")
_LANE = struct.Struct("<II")
_VERSION = 1
MOST_LANES = 16


@dataclass(frozen=True, slots=True)
class LanePart:
    """The message of one lane, compressed."""

    samples: int
    packed: bytes

    def unpack(self) -> bytes:
        """Return the message."""
        return bytes(cramjam.snappy.decompress_raw(self.packed)) if self.packed else b""


@dataclass(frozen=True, slots=True)
class Record:
    """What one write put into the queue, or a part of it."""

    appended_ms: int
    lanes: tuple[LanePart, ...]

    @property
    def samples(self) -> int:
        """How many samples it has."""
        return sum(lane.samples for lane in self.lanes)


def build_record(group: Sequence[Encoded], *, appended_ms: int) -> bytes:
    """Return the record of one message a lane."""
    packed = [pack(each.body) for each in group]
    parts = [_HEAD.pack(_VERSION, len(group), appended_ms)]
    parts += [_LANE.pack(each.samples, len(body)) for each, body in zip(group, packed, strict=True)]
    return b"".join([*parts, *packed])


def parse_record(payload: bytes) -> Record | None:
    """Return what a record says, None if it is of a version that is not known."""
    version, count, appended_ms = _HEAD.unpack_from(payload)
    if version != _VERSION:
        return None
    start = _HEAD.size + count * _LANE.size
    lanes: list[LanePart] = []
    for number in range(count):
        samples, length = _LANE.unpack_from(payload, _HEAD.size + number * _LANE.size)
        lanes.append(LanePart(samples, payload[start : start + length]))
        start += length
    return Record(appended_ms, tuple(lanes))


def count_samples(payload: bytes) -> int:
    """Return how many samples a record has."""
    record = parse_record(payload)
    return 0 if record is None else record.samples


def pack(body: bytes) -> bytes:
    """Compress a message as the protocol wants it: a raw block, not a framed stream."""
    return bytes(cramjam.snappy.compress_raw(body)) if body else b""
