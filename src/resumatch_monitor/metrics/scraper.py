"""Scrapes one target."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import numpy as np

from resumatch_monitor.kit.cadence import find_phase
from resumatch_monitor.kit.clock import Clock, from_milliseconds, to_milliseconds
from resumatch_monitor.kit.network import scrub
from resumatch_monitor.metrics.access import AccessProvider
from resumatch_monitor.metrics.churn import ChurnAllowance
from resumatch_monitor.metrics.exposition import (
    NO_TIMESTAMP,
    Exposition,
    ExpositionError,
    ExpositionParser,
    TooManySamplesError,
    choose_format,
)
from resumatch_monitor.metrics.fetch import FetchError, fetch_target
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.mutate import LimitExceededError, SampleMutator
from resumatch_monitor.metrics.samples import SampleSink, SamplesRejectedError, StoreFullError
from resumatch_monitor.metrics.scrape_exemplars import ExemplarSink, list_exemplars
from resumatch_monitor.metrics.scrape_telemetry import ScrapeTelemetry
from resumatch_monitor.metrics.status import TargetStatus
from resumatch_monitor.metrics.targets import Target
from resumatch_monitor.metrics.writer import PreparedRow, TargetWriter

logger = logging.getLogger(__name__)

_TOLERANCE_MS = 2
_LARGEST_PARSED_AT_ONCE = 128 * 1024
_MOST_PREPARED_AT_ONCE = 500
_NOTHING = Exposition((), np.empty(0), None)


class _ScrapeError(Exception):
    """A scrape failed; the message holds no secret."""

    def __init__(self, message: str, limit: str = "") -> None:
        super().__init__(message)
        self.limit = limit


class TargetScraper:
    """Scrapes one target, once whenever asked."""

    def __init__(
        self,
        *,
        target: Target,
        sink: SampleSink,
        access: AccessProvider,
        clock: Clock,
        telemetry: ScrapeTelemetry,
        metadata: MetadataStore,
        find_pool_error: Callable[[], str] | None = None,
        exemplars: ExemplarSink | None = None,
    ) -> None:
        """Build what the target needs.

        Args:
            target: What is scraped.
            sink: Where samples go.
            access: Credentials and TLS.
            clock: For times and durations.
            telemetry: Counts scrapes.
            metadata: Keeps types and helps.
            find_pool_error: Says why no target of its pool is scraped; empty if they are.
            exemplars: Takes what OpenMetrics tells beside samples.
        """
        limits = target.pool.limits
        self._target = target
        self._sink = sink
        self._access = access
        self._clock = clock
        self._telemetry = telemetry
        self._metadata = metadata
        self._find_pool_error = find_pool_error
        self._exemplars = exemplars
        self._limits = limits
        self._parser = ExpositionParser(keep_empty_labels=target.config.honor_labels)
        self._churn = ChurnAllowance(limits.series_per_day, now_seconds=clock.monotonic())
        self._secrets = frozenset(target.secrets)
        self._writer = TargetWriter(
            sink=sink,
            target_key=target.key,
            target_labels=target.labels,
            mutator=SampleMutator(
                target.labels,
                honor_labels=target.config.honor_labels,
                relabel=target.pool.metric_relabel,
                limits=limits,
                legacy_names=target.pool.legacy_names,
            ),
            track_own_times=target.config.track_timestamps_staleness,
        )
        self.interval_ms = max(1, round(target.interval.total_seconds() * 1000))
        self.phase = find_phase(target.key)
        self._offset_ms = int(self.phase * self.interval_ms)
        self.status = TargetStatus(
            job=target.job,
            instance=target.instance,
            url=target.shown_url,
            labels=target.labels,
            interval_seconds=target.interval.total_seconds(),
            timeout_seconds=target.timeout.total_seconds(),
            pool=target.pool.name,
            discovered_labels=target.discovered,
        )

    @property
    def target(self) -> Target:
        """What is scraped."""
        return self._target

    @property
    def name(self) -> str:
        """What to call the target in a log line."""
        return self._target.key

    def next_due(self, after_ms: int) -> int:
        """Return the first moment of the target's schedule after `after_ms`."""
        return after_ms + self.interval_ms - (after_ms - self._offset_ms) % self.interval_ms

    def note_next(self, at: datetime) -> None:
        """Take note of when the next scrape is due."""
        self.status = replace(self.status, next_scrape_at=at)

    async def scrape(self, due_ms: int) -> None:
        """Fetch, parse and store; whatever goes wrong ends in `status` and in `up`."""
        at_ms = to_milliseconds(self._clock.now())
        if abs(at_ms - due_ms) <= _TOLERANCE_MS:
            # Evenly spaced timestamps compress to next to nothing.
            at_ms = due_ms
        started = self._clock.monotonic()
        problem, limit, exposition, scraped = "", "", _NOTHING, 0
        prepared: PreparedRow | None = None
        try:
            exposition = await self._fetch_and_parse()
            scraped = len(exposition.labels)
            prepared = await self._prepare(exposition)
        except _ScrapeError as error:
            problem, limit, exposition = scrub(str(error), self._secrets), error.limit, _NOTHING
        duration_seconds = self._clock.monotonic() - started
        self.status = replace(
            self.status,
            health="down" if problem else "up",
            last_scrape_at=from_milliseconds(at_ms),
            last_error=problem,
            exceeded_limit=limit,
            scrape_duration_seconds=duration_seconds,
            samples_scraped=scraped,
        )
        if limit:
            self._telemetry.over_limit.labels(limit).inc()
        outcome = "failed" if problem else "ok"
        try:
            await self._store(
                exposition,
                prepared or self._writer.prepare(()),
                at_ms,
                duration_seconds=duration_seconds,
                is_up=not problem,
                scraped=scraped,
            )
        except StoreFullError as error:
            outcome = "not_stored"
            self.status = replace(self.status, last_error=f"the samples are not stored: {error}")
        self._telemetry.scrapes.labels(outcome).inc()

    async def end(self) -> None:
        """Mark the target's series as ended."""
        try:
            await self._writer.end(timestamp_ms=to_milliseconds(self._clock.now()))
        except StoreFullError as error:
            logger.warning("No staleness markers for the removed %s: %s", self.name, error)

    async def _fetch_and_parse(self) -> Exposition:
        pool_error = self._find_pool_error() if self._find_pool_error is not None else ""
        if pool_error:
            raise _ScrapeError(pool_error, "target_limit")
        try:
            fetched = await fetch_target(self._access, self._target)
        except FetchError as error:
            raise _ScrapeError(str(error), error.exceeded_limit) from None
        try:
            form = choose_format(fetched.content_type, self._target.config.scrape_fallback_protocol)
            most = self._limits.scraped_samples
            if len(fetched.body) > _LARGEST_PARSED_AT_ONCE:
                exposition = await asyncio.to_thread(
                    self._parser.parse, fetched.body, form=form, max_samples=most
                )
            else:
                exposition = self._parser.parse(fetched.body, form=form, max_samples=most)
        except ExpositionError as error:
            limit = "sample_limit" if isinstance(error, TooManySamplesError) else ""
            raise _ScrapeError(scrub(str(error), fetched.secrets), limit) from None
        self._metadata.put(self._target.key, self._parser.metadata)
        return exposition

    async def _prepare(self, exposition: Exposition) -> PreparedRow:
        """Work out what is stored, and refuse what is over a limit."""
        labels, times = exposition.labels, exposition.timestamps
        stamped = None
        if times is not None and self._target.config.honor_timestamps:
            stamped = times != NO_TIMESTAMP
        found = self._writer.find_prepared(labels, stamped)
        if found is not None:
            return found
        try:
            if len(labels) > _MOST_PREPARED_AT_ONCE:
                prepared = await asyncio.to_thread(self._writer.prepare, labels, stamped)
            else:
                prepared = self._writer.prepare(labels, stamped)
            self._check_counts(prepared)
        except LimitExceededError as error:
            raise _ScrapeError(str(error), error.limit) from None
        except ValueError as error:
            raise _ScrapeError(str(error)) from None
        return prepared

    def _check_counts(self, prepared: PreparedRow) -> None:
        if prepared.count_kept > self._limits.samples:
            raise LimitExceededError(
                "sample_limit",
                f"the target exposes {prepared.count_kept} samples, more than the"
                f" {self._limits.samples} samples that it may",
            )
        begun = self._writer.count_begun(prepared)
        if not begun:
            return
        now_seconds = self._clock.monotonic()
        live = len(prepared.live)
        if not self._churn.has_room_for(begun, live, now_seconds=now_seconds):
            raise LimitExceededError(
                "metrics.churn_per_target",
                f"{begun} of the target's {live} series are new again, and within the last day it"
                f" began as many as it may ({self._limits.series_per_day} or twice those it has):"
                " some label changes from scrape to scrape; remove it with metric_relabel_configs",
            )
        self._churn.use(begun)

    async def _store(
        self,
        exposition: Exposition,
        prepared: PreparedRow,
        at_ms: int,
        *,
        duration_seconds: float,
        is_up: bool,
        scraped: int,
    ) -> None:
        if len(prepared.own) and exposition.timestamps is not None:
            times, values = exposition.timestamps[prepared.own_at], exposition.values
            series = zip(prepared.own, times, values[prepared.own_at], strict=True)
            try:
                await self._sink.append_samples(
                    [(each, np.array([time]), np.array([value])) for each, time, value in series]
                )
            except SamplesRejectedError as error:
                # As in Prometheus the scrape goes on without them; the store counts them.
                logger.warning("Scraping %s: %s", self.name, error)
        counts = await self._writer.write_row(
            prepared,
            exposition.values,
            timestamp_ms=at_ms,
            duration_seconds=duration_seconds,
            is_up=is_up,
            samples_scraped=scraped,
        )
        self.status = replace(
            self.status, samples_after_relabelling=counts.kept, series_added=counts.added
        )
        self._telemetry.duplicates.inc(counts.duplicates)
        if exposition.exemplars and self._exemplars is not None:
            await self._exemplars.append(list_exemplars(exposition, prepared, at_ms))
