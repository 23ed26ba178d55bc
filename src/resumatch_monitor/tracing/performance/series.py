"""Transactions as series in the metric store, so that ordinary rules can alert on them."""

import logging
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.metrics.exposition_lines import Metadata
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.otlp.collected import Collected
from resumatch_monitor.metrics.problems import Problems
from resumatch_monitor.metrics.receiver import store_batch
from resumatch_monitor.metrics.samples import BatchSink, StoreFullError
from resumatch_monitor.tracing.performance.model import OTHER, Facts

logger = logging.getLogger(__name__)

BOUNDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0),
)
"""Upper bounds of the histogram's buckets, in seconds."""
_EVERY_SECONDS = 15.0
_PER_PROJECT = 200
_IDLE_SECONDS = 3_600.0
_METADATA = {
    "transaction_duration_seconds": Metadata("histogram", "How long transactions took.", "seconds"),
    "transactions_total": Metadata("counter", "Transactions.", ""),
    "transaction_failures_total": Metadata("counter", "Transactions that failed.", ""),
}

_Key = tuple[int, str, str, str]


@dataclass(slots=True)
class _Group:
    count: float = 0.0
    failed: float = 0.0
    total_seconds: float = 0.0
    buckets: list[float] = field(default_factory=lambda: [0.0] * (len(BOUNDS) + 1))
    is_written: bool = False
    touched_at: float = 0.0


class TransactionSeries:
    """Adds up transactions in memory and writes the sums every 15 seconds.

    Sums begin at zero with the process, as a scraped program's do.
    """

    def __init__(
        self,
        *,
        sink: BatchSink,
        metadata: MetadataStore,
        slug_of: Callable[[int], str],
        clock: Clock,
    ) -> None:
        """Build it.

        Args:
            sink: Where samples go.
            metadata: Gets what the metrics are.
            slug_of: The slug of a project.
            clock: When samples are written.
        """
        self._sink = sink
        self._metadata = metadata
        self._slug_of = slug_of
        self._clock = clock
        self._groups: dict[_Key, _Group] = {}
        self._first_ms = to_milliseconds(clock.now())

    def count(self, facts: Sequence[Facts]) -> None:
        """Count transactions."""
        now = self._clock.monotonic()
        for each in facts:
            if not each.is_counted:
                continue
            group = self._find_group(each)
            seconds = each.duration_us / 1e6
            group.count += each.weight
            group.failed += each.weight * each.is_failed
            group.total_seconds += seconds * each.weight
            group.buckets[bisect_left(BOUNDS, seconds)] += each.weight
            group.touched_at = now

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._clock.sleep(_EVERY_SECONDS)
            try:
                await self.write()
            except StoreFullError as error:
                # The sums are written again with what is counted meanwhile.
                logger.warning("Series of transactions are not stored: %s", error)

    async def write(self) -> None:
        """Write the sums.

        Raises:
            StoreFullError: If the store refuses them.
        """
        self._forget_idle()
        if not self._groups:
            return
        self._metadata.merge("performance", _METADATA)
        now_ms = to_milliseconds(self._clock.now())
        # What happened before a series' first sample would not be in any rate: it begins at zero,
        # but never before this process did, where an earlier one may have left higher sums.
        zero_ms = max(self._first_ms, now_ms - round(_EVERY_SECONDS * 1_000))
        collected = Collected()
        new = [group for group in self._groups.values() if not group.is_written]
        for key, group in self._groups.items():
            labels = self._label(key)
            if not group.is_written and zero_ms < now_ms:
                _collect(collected, labels, _Group(), zero_ms)
            _collect(collected, labels, group, now_ms)
        problems = Problems()
        await store_batch(self._sink, collected.build_batch(), problems)
        if problems.count:
            logger.warning("Some series of transactions are not stored: %s", problems)
        for group in new:
            group.is_written = True

    def _find_group(self, facts: Facts) -> _Group:
        key = (facts.project_id, facts.environment, facts.name, facts.op)
        group = self._groups.get(key)
        if group is None:
            count = sum(each[0] == facts.project_id for each in self._groups)
            if count >= _PER_PROJECT:
                key = (facts.project_id, facts.environment, OTHER, "")
            group = self._groups.setdefault(key, _Group())
        return group

    def _forget_idle(self) -> None:
        now = self._clock.monotonic()
        for key in [
            key
            for key, group in self._groups.items()
            if now - group.touched_at > _IDLE_SECONDS and group.is_written
        ]:
            del self._groups[key]

    def _label(self, key: _Key) -> dict[str, str]:
        project_id, environment, name, op = key
        return {
            "project": self._slug_of(project_id),
            "environment": environment,
            "endpoint": name,
            "op": op,
        }


def _collect(collected: Collected, labels: dict[str, str], group: _Group, time_ms: int) -> None:
    collected.add("transactions_total", labels, time_ms, group.count)
    collected.add("transaction_failures_total", labels, time_ms, group.failed)
    name = "transaction_duration_seconds"
    running = 0.0
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), group.buckets, strict=True):
        running += count
        collected.add(f"{name}_bucket", labels, time_ms, running, le=bound)
    collected.add(f"{name}_sum", labels, time_ms, group.total_seconds)
    collected.add(f"{name}_count", labels, time_ms, group.count)
