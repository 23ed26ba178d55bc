"""Scrapes every target in a loop of its own."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx
import numpy as np
from prometheus_client import Counter

from resumatch_monitor.kit.cadence import find_phase
from resumatch_monitor.kit.clock import Clock, from_milliseconds, to_milliseconds
from resumatch_monitor.kit.network import scrub
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.exposition import (
    NO_TIMESTAMP,
    Exposition,
    ExpositionError,
    ExpositionParser,
    format_of,
)
from resumatch_monitor.metrics.fetch import FetchError, fetch
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.samples import (
    BoolArray,
    SampleSink,
    SamplesRejectedError,
    StoreFullError,
    TimeArray,
)
from resumatch_monitor.metrics.targets import Target, TargetStatus
from resumatch_monitor.metrics.writer import TargetWriter, merge_target_labels

logger = logging.getLogger(__name__)

_TOLERANCE_MS = 2
_FIRST_SCRAPES_WITHIN_SECONDS = 1.0
_LARGEST_PARSED_AT_ONCE = 128 * 1024
_NOTHING = Exposition((), np.empty(0), None)


class ScrapeTelemetry:
    """The scraper's own metrics."""

    def __init__(self, telemetry: Telemetry) -> None:
        prefix = "resumatch_monitor_"
        self.scrapes = Counter(
            prefix + "scrapes_total", "Scrapes.", ["outcome"], registry=telemetry.registry
        )
        self.duplicates = Counter(
            prefix + "scrape_duplicate_samples_total",
            "Samples left out because the same scrape has the series twice.",
            registry=telemetry.registry,
        )
        self.missed = Counter(
            prefix + "scrapes_missed_total",
            "Scrapes left out because the one before took too long.",
            registry=telemetry.registry,
        )
        for outcome in ("ok", "failed", "not_stored"):
            self.scrapes.labels(outcome)


class ScrapeManager:
    """Scrapes targets on their schedules; `run` it as a background loop.

    Targets are spread over the interval by a hash of their keys, the same after every restart.
    Stopping writes no staleness markers: the process will be back. Removing a target does.
    """

    def __init__(
        self,
        *,
        targets: Sequence[Target],
        sink: SampleSink,
        client: httpx.AsyncClient,
        clock: Clock,
        telemetry: Telemetry,
        metadata: MetadataStore,
        series_per_target: int = 50_000,
    ) -> None:
        self._sink = sink
        self._client = client
        self._clock = clock
        self._telemetry = ScrapeTelemetry(telemetry)
        self._metadata = metadata
        self._series_per_target = series_per_target
        self._first_round = asyncio.Event()
        self._scrapers: dict[str, TargetScraper] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._is_running = False
        for target in targets:
            self._scrapers[target.key] = self._build_scraper(target)
        self._note_scraped()

    async def run(self) -> None:
        """Scrape until cancelled."""
        self._is_running = True
        try:
            for key, scraper in self._scrapers.items():
                self._tasks[key] = asyncio.create_task(self._drive(scraper), name=f"scrape {key}")
            await asyncio.Event().wait()
        finally:
            self._is_running = False
            await _cancel(list(self._tasks.values()))
            self._tasks.clear()

    async def replace_targets(self, targets: Sequence[Target]) -> None:
        """Scrape these targets from now on; those that are gone are marked as ended."""
        wanted = {target.key: target for target in targets}
        gone = [key for key in self._scrapers if key not in wanted]
        await _cancel([self._tasks.pop(key) for key in gone if key in self._tasks])
        for key in gone:
            scraper = self._scrapers.pop(key)
            self._metadata.forget(key)
            await scraper.end()
        for key, target in wanted.items():
            if key not in self._scrapers:
                scraper = self._scrapers[key] = self._build_scraper(target)
                if self._is_running:
                    self._tasks[key] = asyncio.create_task(self._drive(scraper))
        self._note_scraped()

    async def wait_until_first_round(self, timeout_seconds: float) -> bool:
        """Wait until every target has been scraped once; False if that takes too long."""
        waits = (
            asyncio.create_task(self._first_round.wait()),
            asyncio.create_task(_sleep(self._clock, timeout_seconds)),
        )
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancel(waits)
        return self._first_round.is_set()

    def statuses(self) -> list[TargetStatus]:
        """Return how each target is doing, by job and instance."""
        statuses = [scraper.status for scraper in self._scrapers.values()]
        return sorted(statuses, key=lambda status: (status.job, status.instance, status.url))

    async def _drive(self, scraper: "TargetScraper") -> None:
        interval_ms = scraper.interval_ms
        # The first scrape comes soon, so that a restart leaves no hole in what rules see.
        await self._clock.sleep(
            scraper.phase * min(_FIRST_SCRAPES_WITHIN_SECONDS, interval_ms / 1000)
        )
        due_ms = to_milliseconds(self._clock.now())
        while True:
            try:
                await scraper.scrape(due_ms)
            # One target must not end the scraping of another, nor its own.
            except Exception:
                logger.exception("Scraping %s failed in a way that nobody foresaw", scraper.name)
            self._note_scraped()
            now_ms = to_milliseconds(self._clock.now())
            # A sleep may end a moment early; the same turn must not come twice.
            is_near = abs(now_ms - due_ms) < interval_ms
            next_ms = scraper.next_due(max(now_ms, due_ms) if is_near else now_ms)
            if next_ms > due_ms:
                self._telemetry.missed.inc((next_ms - due_ms - 1) // interval_ms)
            due_ms = next_ms
            # No longer than an interval, also if the system clock was set back meanwhile.
            await self._clock.sleep(min(due_ms - now_ms, interval_ms) / 1000)

    def _note_scraped(self) -> None:
        if all(scraper.status.last_scrape_at is not None for scraper in self._scrapers.values()):
            self._first_round.set()

    def _build_scraper(self, target: Target) -> "TargetScraper":
        return TargetScraper(
            target=target,
            sink=self._sink,
            client=self._client,
            clock=self._clock,
            telemetry=self._telemetry,
            metadata=self._metadata,
            max_samples=target.config.sample_limit or self._series_per_target,
        )


async def _sleep(clock: Clock, seconds: float) -> None:
    await clock.sleep(seconds)


async def _cancel(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True, eq=False)
class _Split:
    """Which samples of a scrape go into the row, and which have times of their own."""

    source: tuple[Labels, ...]
    in_row: BoolArray
    row_labels: tuple[Labels, ...]
    stamped: list[Labels]


class TargetScraper:
    """Scrapes one target, once whenever asked."""

    def __init__(
        self,
        *,
        target: Target,
        sink: SampleSink,
        client: httpx.AsyncClient,
        clock: Clock,
        telemetry: ScrapeTelemetry,
        metadata: MetadataStore,
        max_samples: int,
    ) -> None:
        self._target = target
        self._sink = sink
        self._client = client
        self._clock = clock
        self._telemetry = telemetry
        self._metadata = metadata
        self._max_samples = max_samples
        self._parser = ExpositionParser()
        self._split: _Split | None = None
        self._writer = TargetWriter(
            sink=sink,
            target_key=target.key,
            target_labels=target.labels,
            honor_labels=target.config.honor_labels,
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
        )

    @property
    def name(self) -> str:
        """What to call the target in a log line."""
        return self._target.key

    def next_due(self, after_ms: int) -> int:
        """Return the first moment of the target's schedule after `after_ms`."""
        return after_ms + self.interval_ms - (after_ms - self._offset_ms) % self.interval_ms

    async def scrape(self, due_ms: int) -> None:
        """Fetch, parse and store; whatever goes wrong ends in `status` and in `up`."""
        at_ms = to_milliseconds(self._clock.now())
        if abs(at_ms - due_ms) <= _TOLERANCE_MS:
            # Evenly spaced timestamps compress to next to nothing.
            at_ms = due_ms
        started = self._clock.monotonic()
        problem, exposition = "", _NOTHING
        try:
            exposition = await self._fetch_and_parse()
        except (FetchError, ExpositionError) as error:
            problem = scrub(str(error), self._target.secrets)
        duration_seconds = self._clock.monotonic() - started
        self.status = replace(
            self.status,
            health="down" if problem else "up",
            last_scrape_at=from_milliseconds(at_ms),
            last_error=problem,
            scrape_duration_seconds=duration_seconds,
            samples_scraped=len(exposition.labels),
        )
        outcome = "failed" if problem else "ok"
        try:
            await self._store(
                exposition, at_ms, duration_seconds=duration_seconds, is_up=not problem
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
        fetched = await fetch(self._client, self._target)
        form = format_of(fetched.content_type)
        if len(fetched.body) > _LARGEST_PARSED_AT_ONCE:
            exposition = await asyncio.to_thread(
                self._parser.parse, fetched.body, form=form, max_samples=self._max_samples
            )
        else:
            exposition = self._parser.parse(fetched.body, form=form, max_samples=self._max_samples)
        self._metadata.put(self._target.key, self._parser.metadata)
        return exposition

    async def _store(
        self, exposition: Exposition, at_ms: int, *, duration_seconds: float, is_up: bool
    ) -> None:
        labels, values, times = exposition.labels, exposition.values, exposition.timestamps
        scraped = len(labels)
        if times is not None and self._target.config.honor_timestamps:
            split = self._split_by_time(labels, times)
            stamped = ~split.in_row
            series = zip(split.stamped, times[stamped], values[stamped], strict=True)
            await self._store_stamped(
                [(each, np.array([time]), np.array([value])) for each, time, value in series]
            )
            labels, values = split.row_labels, values[split.in_row]
        counts = await self._writer.write_row(
            labels,
            values,
            timestamp_ms=at_ms,
            duration_seconds=duration_seconds,
            is_up=is_up,
            samples_scraped=scraped,
        )
        self._telemetry.duplicates.inc(counts.duplicates)

    def _split_by_time(self, labels: tuple[Labels, ...], times: TimeArray) -> _Split:
        in_row = times == NO_TIMESTAMP
        known = self._split
        if known is None or known.source is not labels or not np.array_equal(known.in_row, in_row):
            target, honor = self._target.labels, self._target.config.honor_labels
            known = self._split = _Split(
                source=labels,
                in_row=in_row,
                row_labels=tuple(each for each, is_in in zip(labels, in_row, strict=True) if is_in),
                stamped=[
                    merge_target_labels(each, target, honor_labels=honor)
                    for each, is_in in zip(labels, in_row, strict=True)
                    if not is_in
                ],
            )
        return known

    async def _store_stamped(
        self, series: list[tuple[Labels, TimeArray, np.ndarray[tuple[int], np.dtype[np.float64]]]]
    ) -> None:
        try:
            await self._sink.append_samples(series)
        except SamplesRejectedError as error:
            # As in Prometheus the scrape goes on without them; the store counts them.
            logger.warning("Scraping %s: %s", self.name, error)
