"""Sees segments, and has them counted."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.tracing.model import Segment, Span
from resumatch_monitor.tracing.performance.config import PerformanceConfig
from resumatch_monitor.tracing.performance.facts import find_page_id, read_facts
from resumatch_monitor.tracing.performance.model import Facts
from resumatch_monitor.tracing.performance.series import TransactionSeries
from resumatch_monitor.tracing.performance.statements import StatementReader
from resumatch_monitor.tracing.performance.store import PerformanceStore
from resumatch_monitor.tracing.store import StoredTrace

logger = logging.getLogger(__name__)

_SPANS_MAX = 2_000


class TraceFinder(Protocol):
    """Finds what is kept of a trace."""

    async def find_trace(self, trace_id: str, *, limit: int) -> StoredTrace:
        """Return at most `limit` spans of a trace."""
        ...


class PerformanceRecorder:
    """A `SegmentObserver`: what it is shown is counted once, however often it comes."""

    def __init__(
        self,
        *,
        store: PerformanceStore,
        traces: TraceFinder,
        series: TransactionSeries,
        config: PerformanceConfig,
        clock: Clock,
        on_findings: Callable[[], None],
    ) -> None:
        """Build it.

        Args:
            store: Where figures are kept.
            traces: Where the page is found that a web vital is of.
            series: What becomes metrics.
            config: What is a finding.
            clock: How long reading statements takes.
            on_findings: Called when something may be wrong in what was counted.
        """
        self._store = store
        self._traces = traces
        self._series = series
        self._config = config
        self._statements = StatementReader(monotonic=clock.monotonic)
        self._on_findings = on_findings

    async def observe(self, segments: Sequence[Segment]) -> None:
        """See `SegmentObserver`."""
        pages = await self._find_pages(segments)
        facts = await asyncio.to_thread(self._read, segments, pages)
        fresh = await self._add(facts)
        self._series.count(fresh)
        if any(each.findings for each in fresh):
            self._on_findings()

    async def _find_pages(self, segments: Sequence[Segment]) -> Mapping[tuple[str, str], Span]:
        """Return the roots of the pages that segments tell web vitals of, by the segments' keys."""
        pages: dict[tuple[str, str], Span] = {}
        # A page has several vitals, and tells most of them at once.
        traces: dict[str, StoredTrace] = {}
        for segment in segments:
            page_id, trace_id = find_page_id(segment.root), segment.root.trace_id
            if not page_id:
                continue
            if trace_id not in traces:
                traces[trace_id] = await self._traces.find_trace(trace_id, limit=_SPANS_MAX)
            for span in traces[trace_id].spans:
                if span.span_id == page_id:
                    pages[segment.key] = span
        return pages

    async def _add(self, facts: Sequence[Facts]) -> Sequence[Facts]:
        try:
            return await self._store.add(facts)
        except StorageUnavailableError:
            raise
        except Exception:
            fresh = await self._add_singly(facts)
            if not fresh:
                # It is not one of them that cannot be stored.
                raise
            return fresh

    async def _add_singly(self, facts: Sequence[Facts]) -> list[Facts]:
        fresh: list[Facts] = []
        for each in facts:
            try:
                fresh.extend(await self._store.add([each]))
            except StorageUnavailableError:
                raise
            except Exception as error:  # noqa: BLE001 - one bad segment must not stop the others
                logger.warning("A segment cannot be counted: %s", type(error).__name__)
        return fresh

    def _read(
        self, segments: Sequence[Segment], pages: Mapping[tuple[str, str], Span]
    ) -> list[Facts]:
        self._statements.begin()
        facts: list[Facts] = []
        for segment in segments:
            try:
                page = pages.get(segment.key)
                facts.append(
                    read_facts(segment, self._statements, self._config.findings, page=page)
                )
            except Exception as error:  # noqa: BLE001 - one bad segment must not stop the others
                # The error's text may quote the segment, so only its type is told.
                logger.warning("A segment cannot be counted: %s", type(error).__name__)
        return facts
