"""The end of a spool where records are processed: how far its reader is, and what may go."""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from resumatch_monitor.kit.spool import Position, SpoolBatch
from resumatch_monitor.storage.spool.metrics import SpoolMetrics
from resumatch_monitor.storage.spool.reading import read_segment
from resumatch_monitor.storage.spool.segments import PositionFile, segment_path
from resumatch_monitor.storage.spool.state import State

logger = logging.getLogger(__name__)


class Consumption:
    """Reads what is durable in order, and deletes segments that lie before the position.

    The position is durable before a segment goes: after a crash in between, `recover` deletes it.
    """

    def __init__(self, directory: Path, *, state: State, metrics: SpoolMetrics) -> None:
        self._directory = directory
        self._state = state
        self._metrics = metrics
        # Held while the position moves: the reader and the writing thread both move it.
        self._moving = threading.Lock()
        self._position_file: PositionFile | None = None

    def open(self) -> Position:
        """Read how far the reader is.

        Raises:
            OSError: If the file cannot be used.
        """
        self._position_file = PositionFile(self._directory / "position")
        return self._position_file.position

    def close(self) -> None:
        """Close the file of the position."""
        if self._position_file is not None:
            self._position_file.close()
            self._position_file = None

    @property
    def position(self) -> Position:
        """Where the oldest record that is not committed lies."""
        assert self._position_file is not None
        return self._position_file.position

    def read_batch(
        self, position: Position, until: Position | None, read: Callable[..., SpoolBatch]
    ) -> SpoolBatch:
        """Return what `read` makes of the first segment that has something from `position` on.

        Args:
            position: Where to begin.
            until: A place where the batch ends at the latest, if it begins before it.
            read: `read_segment` with its bounds.
        """
        with self._state.lock:
            ends = {n: end for n, end in self._state.ends.items() if n >= position.segment}
        for number, end in ends.items():
            start = position.offset if number == position.segment else 0
            if start >= end:
                continue
            if until is not None and until.segment == number and until.offset > start:
                end = min(end, until.offset)
            try:
                batch = read(self._directory, Position(number, start), end)
            except FileNotFoundError:
                # Given up as the oldest a moment ago.
                continue
            self._tell_damage(batch)
            return batch
        return SpoolBatch((), position, 0, 0)

    def _tell_damage(self, batch: SpoolBatch) -> None:
        if batch.corrupt:
            self._metrics.corrupt.inc(batch.corrupt)
            logger.error(
                "Segment %d of the spool is damaged; %d stretches are skipped",
                batch.end.segment,
                batch.corrupt,
            )

    def commit(self, batch: SpoolBatch) -> None:
        """Note durably that `batch` has been processed; delete segments that are consumed."""
        end = batch.end
        with self._moving:
            if end <= self.position:
                # Its segment was given up meanwhile.
                return
            with self._state.lock:
                is_sealed = end.segment in self._state.ends and end.segment != self._state.active
                if is_sealed and end.offset >= self._state.ends[end.segment]:
                    end = Position(end.segment + 1, 0)
            self._move_to(end)
            with self._state.lock:
                self._state.pending -= batch.count
        self._metrics.publish(self._state)

    def skip_to(self, segment: int) -> None:
        """Delete everything before a segment, all of which is processed and sealed."""
        with self._moving:
            self._move_to(Position(segment, 0))

    def give_up_oldest(self, after: Position, *, seal: Callable[[int], None]) -> Sequence[bytes]:
        """Delete the oldest segment that holds anything, read or not.

        Args:
            after: Where the reader is, who may be ahead of the position.
            seal: Called before with the segment's number: nothing more may be written to it.

        Returns:
            Its records that lie `after`.
        """
        with self._moving:
            with self._state.lock:
                held = [(number, end) for number, end in self._state.ends.items() if end]
            if not held:
                return ()
            oldest, end = min(held)
            seal(oldest)
            start = max(self.position, Position(oldest, 0))
            whole = read_segment(self._directory, start, end) if start.offset < end else None
            kept = max(start, after)
            lost = (
                read_segment(self._directory, kept, end).records
                if kept.segment == oldest and kept.offset < end
                else ()
            )
            self._move_to(Position(oldest + 1, 0))
            with self._state.lock:
                self._state.pending -= whole.count if whole is not None else 0
        self._metrics.publish(self._state)
        return lost

    def _move_to(self, position: Position) -> None:
        assert self._position_file is not None
        self._position_file.write(position)
        with self._state.lock:
            consumed = [each for each in self._state.ends if each < position.segment]
            for number in consumed:
                del self._state.ends[number]
        for number in consumed:
            segment_path(self._directory, number).unlink(missing_ok=True)
        self._metrics.publish(self._state)
