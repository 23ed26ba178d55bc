"""What pipelines count, as counters in the metric store, so that ordinary rules can alert on it."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.logs.pipeline.draft import Increment
from resumatch_monitor.metrics.exposition_lines import Metadata
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.otlp.collected import Collected
from resumatch_monitor.metrics.problems import Problems
from resumatch_monitor.metrics.receiver import store_batch
from resumatch_monitor.metrics.samples import BatchSink, StoreFullError

logger = logging.getLogger(__name__)

OTHER = "(other)"
"""Stands for all values of labels for which there is no room."""
SERIES_MAX = 500
"""How many series a counter may have."""
_EVERY_SECONDS = 15.0
_IDLE_SECONDS = 3_600.0
_REMEMBERED = 10_000
_METADATA = Metadata("counter", "Log records that a pipeline counted.", "")

_Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Sum:
    total: float = 0.0
    is_written: bool = False
    touched_at: float = 0.0


class LogCounters:
    """Adds up in memory and writes the sums every 15 seconds.

    Sums begin at zero with the process, as a scraped program's do.
    """

    def __init__(
        self,
        *,
        sink: BatchSink,
        metadata: MetadataStore,
        clean: Callable[[Mapping[str, str]], Mapping[str, str]],
        clock: Clock,
    ) -> None:
        """Build it.

        Args:
            sink: Where samples go.
            metadata: Gets what the metrics are.
            clean: Takes out of labels what must not be stored; what it returned is remembered.
            clock: When samples are written.
        """
        self._sink = sink
        self._metadata = metadata
        self._clean = clean
        self._clock = clock
        self._sums: dict[str, dict[_Labels, _Sum]] = {}
        self._cleaned: dict[_Labels, _Labels] = {}
        self._lock = threading.Lock()
        self._first_ms = to_milliseconds(clock.now())

    def count(self, increments: Iterable[Increment]) -> None:
        """Count; may be called by any thread."""
        now = self._clock.monotonic()
        with self._lock:
            for each in increments:
                found = self._find(each)
                found.total += each.amount
                found.touched_at = now

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._clock.sleep(_EVERY_SECONDS)
            try:
                await self.write()
            except StoreFullError as error:
                # The sums are written again with what is counted meanwhile.
                logger.warning("What pipelines count is not stored: %s", error)

    async def write(self) -> None:
        """Write the sums.

        Raises:
            StoreFullError: If the store refuses them.
        """
        now_ms = to_milliseconds(self._clock.now())
        collected = Collected()
        with self._lock:
            self._forget_idle()
            names = list(self._sums)
            written = self._collect(collected, now_ms)
        if not written:
            return
        self._metadata.merge("logs", dict.fromkeys(names, _METADATA))
        problems = Problems()
        await store_batch(self._sink, collected.build_batch(), problems)
        if problems.count:
            logger.warning("Some of what pipelines count is not stored: %s", problems)
        for each in written:
            each.is_written = True

    def _collect(self, collected: Collected, now_ms: int) -> list[_Sum]:
        # What was counted before a series' first sample would not be in any rate: it begins at
        # zero, but never before this process did, where an earlier one may have left higher sums.
        zero_ms = max(self._first_ms, now_ms - round(_EVERY_SECONDS * 1_000))
        written: list[_Sum] = []
        for metric, series in self._sums.items():
            for labels, each in series.items():
                if not each.is_written and zero_ms < now_ms:
                    collected.add(metric, dict(labels), zero_ms, 0.0)
                collected.add(metric, dict(labels), now_ms, each.total)
                written.append(each)
        return written

    def _find(self, increment: Increment) -> _Sum:
        series = self._sums.setdefault(increment.metric, {})
        labels = self._label(increment)
        found = series.get(labels)
        if found is None:
            if len(series) >= SERIES_MAX:
                labels = tuple((name, OTHER) for name, _ in labels)
            found = series.setdefault(labels, _Sum())
        return found

    def _label(self, increment: Increment) -> _Labels:
        labels = tuple(sorted(increment.labels.items()))
        known = self._cleaned.get(labels)
        if known is None:
            if len(self._cleaned) >= _REMEMBERED:
                self._cleaned.clear()
            cleaned = self._clean(increment.labels)
            known = self._cleaned[labels] = tuple(sorted(cleaned.items()))
        return known

    def _forget_idle(self) -> None:
        now = self._clock.monotonic()
        for metric, series in list(self._sums.items()):
            for labels in [
                labels
                for labels, each in series.items()
                if each.is_written and now - each.touched_at > _IDLE_SECONDS
            ]:
                del series[labels]
            if not series:
                del self._sums[metric]
