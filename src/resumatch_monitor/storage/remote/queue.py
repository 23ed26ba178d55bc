"""The durable queue to an external store.

Records that the server has taken stay for a while: some servers keep what they have acknowledged
in memory for some seconds, and lose it when they are killed. Then the queue is rewound.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.kit.spool import FullReason, Position, SpoolBatch, SpoolFullError
from resumatch_monitor.metrics.samples import StoreFullError
from resumatch_monitor.storage.remote.records import count_samples, parse_record
from resumatch_monitor.storage.remote.telemetry import RemoteTelemetry
from resumatch_monitor.storage.spool.metrics import SpoolMetrics
from resumatch_monitor.storage.spool.segments import PositionFile
from resumatch_monitor.storage.spool.spool import Spool
from resumatch_monitor.storage.spool.state import SpoolLimits

_MIB = 1024 * 1024
_LARGEST_SEGMENT_BYTES = 16 * _MIB
_SEGMENTS = 8
_MEMORY_BYTES = 64 * _MIB
_MOST_RECORDS = 4096
_MOST_SHEDDING = 2 * _SEGMENTS


@dataclass(frozen=True, slots=True)
class _Held:
    """A batch that the server has taken, and when."""

    batch: SpoolBatch
    start: Position
    sent_at: float
    samples: int


class SampleQueue:
    """Takes records in, hands them out in order, and forgets them once they are settled."""

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        min_free_bytes: int,
        clock: Clock,
        spool_metrics: SpoolMetrics,
        telemetry: RemoteTelemetry,
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._clock = clock
        self._telemetry = telemetry
        self._spool = Spool(
            folder,
            limits=SpoolLimits(
                max_bytes=max_bytes,
                min_free_bytes=min_free_bytes,
                segment_bytes=min(_LARGEST_SEGMENT_BYTES, max(1, max_bytes // _SEGMENTS)),
                queue_max_bytes=min(_MEMORY_BYTES, max_bytes),
            ),
            metrics=spool_metrics,
        )
        self._shedding = asyncio.Lock()
        self._held: deque[_Held] = deque()
        self._sent = Position(0, 0)
        self._sent_file: PositionFile | None = None
        self._oldest_ms: int | None = None

    def start(self) -> None:
        """Open what is on the disk; blocks.

        Raises:
            OSError: If the folder cannot be used.
        """
        self._spool.start()
        self._sent_file = PositionFile(self._folder / "sent")
        self._sent = self._spool.position
        if self._spool.pending:
            self._oldest_ms = to_milliseconds(self._clock.now())
        self._publish()

    def stop(self) -> None:
        """Make durable what is queued and close; blocks."""
        self._spool.stop()
        if self._sent_file is not None:
            self._sent_file.close()
            self._sent_file = None

    @property
    def waiting(self) -> int:
        """How many records the server has not taken."""
        return max(0, self._spool.pending - sum(each.batch.count for each in self._held))

    @property
    def lag_seconds(self) -> float:
        """How long the oldest record that the server has not taken has waited."""
        if self._oldest_ms is None:
            return 0.0
        return max(0.0, (to_milliseconds(self._clock.now()) - self._oldest_ms) / 1000)

    async def append(self, payload: bytes) -> None:
        """Keep a record; it is on the disk when this returns. The oldest make room.

        Raises:
            StoreFullError: If the disk is nearly full or fails, or too much waits for it.
        """
        try:
            await self._spool.append(payload)
        except SpoolFullError as error:
            await self._append_to_full(payload, error)
        if self._oldest_ms is None:
            self._oldest_ms = to_milliseconds(self._clock.now())
        self._telemetry.appended.inc(count_samples(payload))
        self._publish()

    async def wait(self) -> None:
        """Return as soon as there is something to read."""
        await self._spool.wait_for_records(after=self._sent)

    async def read(self, max_samples: int) -> SpoolBatch:
        """Return the oldest records that were not sent, none if there are none."""
        batch = await self._spool.read_batch(
            _MOST_RECORDS,
            max_samples,
            after=self._sent,
            # What is sent again is not mixed with what never was.
            until=self._sent_file.position if self._sent_file is not None else None,
            weigh=count_samples,
        )
        if batch.records:
            first = parse_record(batch.records[0])
            if first is not None:
                self._oldest_ms = first.appended_ms
        return batch

    def was_sent(self, batch: SpoolBatch) -> bool:
        """Tell whether the server has taken `batch` before, perhaps to lose it."""
        return self._sent_file is not None and batch.end <= self._sent_file.position

    async def mark_sent(self, batch: SpoolBatch, *, samples: int) -> None:
        """Go on behind `batch`; it stays on the disk until it is settled."""
        start, self._sent = self._sent, max(self._sent, batch.end)
        if batch.end > self._spool.position:
            self._held.append(_Held(batch, start, self._clock.monotonic(), samples))
        if self._sent_file is not None and self._sent > self._sent_file.position:
            await asyncio.to_thread(self._sent_file.write, self._sent)
        if not self.waiting:
            self._oldest_ms = None
        self._publish()

    def has_settling(self, before: float) -> bool:
        """Tell whether something that was sent before the moment `before` is still kept."""
        return bool(self._held) and self._held[0].sent_at <= before

    async def settle(self, before: float) -> None:
        """Forget what was sent before the moment `before` (monotonic seconds)."""
        last: _Held | None = None
        count = 0
        while self._held and self._held[0].sent_at <= before:
            last = self._held.popleft()
            count += last.batch.count
        if last is not None:
            await self._spool.commit(SpoolBatch((), last.batch.end, count, 0))
            if not self._held and not self.waiting:
                await self._spool.drop_consumed()
        self._publish()

    def rewind(self) -> int:
        """Go back to the oldest record that is kept; return how many samples that is."""
        if not self._held:
            return 0
        self._sent = max(self._held[0].start, self._spool.position)
        samples = sum(each.samples for each in self._held)
        self._held.clear()
        if self._oldest_ms is None:
            self._oldest_ms = to_milliseconds(self._clock.now())
        self._publish()
        return samples

    async def _append_to_full(self, payload: bytes, error: SpoolFullError) -> None:
        async with self._shedding:
            for _ in range(_MOST_SHEDDING):
                if error.reason is not FullReason.BYTES or len(payload) > self._max_bytes // 2:
                    break
                await self._shed()
                try:
                    await self._spool.append(payload)
                except SpoolFullError as again:
                    error = again
                else:
                    return
        raise StoreFullError(f"the queue to the metrics store takes nothing: {error}")

    async def _shed(self) -> None:
        # A batch that is under way may count as lost here and arrive all the same.
        lost = await self._spool.drop_oldest(after=self._sent)
        position = self._spool.position
        while self._held and self._held[0].batch.end <= position:
            self._held.popleft()
        self._telemetry.dropped.labels("queue_full").inc(sum(map(count_samples, lost)))
        self._publish()

    def _publish(self) -> None:
        self._telemetry.pending.set(self.waiting)
