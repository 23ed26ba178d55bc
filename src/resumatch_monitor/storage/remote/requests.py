"""Batches as requests, and requests taken apart to find the samples that the server refuses."""

import itertools
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from resumatch_monitor.metrics.remote_write_encode import count_samples, split_message
from resumatch_monitor.storage.remote.records import LanePart, Record


@dataclass(frozen=True, slots=True)
class Piece:
    """A message, or one that is still compressed."""

    samples: int
    body: bytes | LanePart

    def message(self) -> bytes:
        """Return the message."""
        return self.body if isinstance(self.body, bytes) else self.body.unpack()


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """Messages that are sent together, in order."""

    pieces: tuple[Piece, ...]

    @property
    def samples(self) -> int:
        """How many samples it has."""
        return sum(piece.samples for piece in self.pieces)

    def build(self) -> bytes:
        """Return the joined message."""
        return b"".join([piece.message() for piece in self.pieces])

    def halve(self) -> "tuple[WriteRequest, WriteRequest] | None":
        """Return two requests that say the same one after the other, None for a single sample.

        Taken apart by what was written together first, then by series, then by sample.
        """
        pieces = self.pieces
        while len(pieces) == 1:
            parts = split_message(pieces[0].message())
            if len(parts) == 1:
                return None
            pieces = tuple(Piece(count_samples(part), part) for part in parts)
        middle = len(pieces) // 2
        return WriteRequest(pieces[:middle]), WriteRequest(pieces[middle:])


def plan_requests(
    records: Iterable[Record], *, samples_per_request: int
) -> list[list[deque[WriteRequest]]]:
    """Deal records out to lanes.

    Returns:
        Stages, to be finished one after the other; in each, lanes that may be sent at the same
        time; in each of these, requests in order. Where the number of lanes has changed, series
        have other lanes, and so a stage ends.
    """
    stages: list[list[deque[WriteRequest]]] = []
    for count, group in itertools.groupby(records, key=lambda record: len(record.lanes)):
        same = list(group)
        lanes = [
            deque(_gather([record.lanes[lane] for record in same], samples_per_request))
            for lane in range(count)
        ]
        stages.append([lane for lane in lanes if lane])
    return stages


def _gather(parts: Sequence[LanePart], most: int) -> Iterable[WriteRequest]:
    gathered: list[Piece] = []
    samples = 0
    for part in parts:
        if not part.samples:
            continue
        if gathered and samples + part.samples > most:
            yield WriteRequest(tuple(gathered))
            gathered, samples = [], 0
        gathered.append(Piece(part.samples, part))
        samples += part.samples
    if gathered:
        yield WriteRequest(tuple(gathered))
