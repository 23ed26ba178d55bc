"""Reads records out of a segment."""

from collections.abc import Callable
from pathlib import Path

from resumatch_monitor.kit.spool import Position, SpoolBatch
from resumatch_monitor.storage.spool.records import read_payload, walk
from resumatch_monitor.storage.spool.segments import mapped, segment_path

Weigh = Callable[[bytes], int]


def read_segment(
    directory: Path,
    start: Position,
    end: int,
    *,
    max_records: int | None = None,
    max_bytes: int | None = None,
    weigh: Weigh | None = None,
) -> SpoolBatch:
    """Return the records from `start` to offset `end`, at least one unit of them.

    Args:
        directory: Where the segments are.
        start: Lies before `end`.
        end: The durable length of the segment, or less.
        max_records: How many at most.
        max_bytes: How many bytes they may have together, or how much by `weigh`.
        weigh: What a record counts, instead of its bytes.

    Raises:
        OSError: If the segment cannot be read.
    """
    records: list[bytes] = []
    count = corrupt = weight = 0
    offset = start.offset
    with mapped(segment_path(directory, start.segment), end) as data:
        for unit in walk(data, start=start.offset, end=end):
            if count and max_records is not None and count >= max_records:
                break
            payload = read_payload(data, unit)
            # What is damaged is passed over by its bytes alone.
            weight += unit.end - unit.start if weigh is None or payload is None else weigh(payload)
            if count and max_bytes is not None and weight > max_bytes:
                break
            offset = unit.end
            count += unit.is_record
            if payload is None:
                corrupt += 1
            else:
                records.append(payload)
    return SpoolBatch(tuple(records), Position(start.segment, offset), count, corrupt)
