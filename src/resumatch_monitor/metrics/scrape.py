"""Scrapes every target in a loop of its own."""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx

from resumatch_monitor.kit.clock import Clock, from_milliseconds, to_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.access import AccessProvider, BuildClient
from resumatch_monitor.metrics.http_config import HTTPClientConfig
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.pool import ScrapePool
from resumatch_monitor.metrics.samples import SampleSink
from resumatch_monitor.metrics.scrape_exemplars import ExemplarSink
from resumatch_monitor.metrics.scrape_telemetry import ScrapeTelemetry
from resumatch_monitor.metrics.scraper import TargetScraper
from resumatch_monitor.metrics.status import TargetStatus
from resumatch_monitor.metrics.targets import Target

logger = logging.getLogger(__name__)

_FIRST_SCRAPES_WITHIN_SECONDS = 1.0
_ENDED_AT_ONCE = 50


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
        build_client: BuildClient | None = None,
        exemplars: ExemplarSink | None = None,
        has_more_targets: bool = False,
    ) -> None:
        """Build a scraper for each target; nothing runs yet.

        Args:
            targets: What is scraped.
            sink: Where samples go.
            client: For targets of which no TLS is said.
            clock: For times and durations.
            telemetry: Counts scrapes.
            metadata: Keeps types and helps.
            build_client: Makes clients for `tls_config`.
            exemplars: Takes what OpenMetrics tells beside samples.
            has_more_targets: Whether `replace_targets` will bring others before the first round
                is over.
        """
        self._sink = sink
        self._client = client
        self._clock = clock
        self._telemetry = ScrapeTelemetry(telemetry)
        self._metadata = metadata
        self._build_client = build_client
        self._exemplars = exemplars
        self._has_more_targets = has_more_targets
        self._pool_errors: Mapping[ScrapePool, str] = {}
        self._access: dict[int, tuple[HTTPClientConfig, AccessProvider]] = {}
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
                self._start(key, scraper)
            await asyncio.Event().wait()
        finally:
            self._is_running = False
            await _cancel(list(self._tasks.values()))
            self._tasks.clear()
            for _, access in self._access.values():
                await access.aclose()

    async def replace_targets(
        self,
        targets: Sequence[Target],
        pool_errors: Mapping[ScrapePool, str] | None = None,
        is_complete: bool = True,
    ) -> None:
        """Scrape these targets from now on; those that are gone are marked as ended.

        Args:
            targets: All of them; of two with the same key the first counts.
            pool_errors: Why every scrape of a pool fails, for those where that is so.
            is_complete: Whether every place that targets come from was looked at.
        """
        self._pool_errors = dict(pool_errors or {})
        wanted: dict[str, Target] = {}
        for target in targets:
            wanted.setdefault(target.key, target)
        gone = [key for key in self._scrapers if key not in wanted]
        # The same address, scraped at another pace: its series go on.
        changed = [
            key
            for key, target in wanted.items()
            if key in self._scrapers and self._scrapers[key].target != target
        ]
        await _cancel([self._tasks.pop(key) for key in (*gone, *changed) if key in self._tasks])
        await self._end([(key, self._scrapers.pop(key)) for key in gone])
        for key in changed:
            del self._scrapers[key]
        for key, target in wanted.items():
            if key not in self._scrapers:
                scraper = self._scrapers[key] = self._build_scraper(target)
                if self._is_running:
                    self._start(key, scraper)
        self._has_more_targets = not is_complete
        self._note_scraped()

    def get_access(self, config: HTTPClientConfig) -> AccessProvider:
        """Return the access that a configuration describes, the same one every time."""
        known = self._access.get(id(config))
        if known is None:
            provider = AccessProvider(config, self._client, self._build_client)
            # Kept with its configuration, whose id stays its own as long as it lives.
            known = self._access[id(config)] = (config, provider)
        return known[1]

    async def _end(self, scrapers: Sequence[tuple[str, TargetScraper]]) -> None:
        for key, _ in scrapers:
            self._metadata.forget(key)
        # Together, they are durable after few writes.
        for first in range(0, len(scrapers), _ENDED_AT_ONCE):
            some = scrapers[first : first + _ENDED_AT_ONCE]
            await asyncio.gather(*(scraper.end() for _, scraper in some))

    def _start(self, key: str, scraper: TargetScraper) -> None:
        self._tasks[key] = asyncio.create_task(self._drive(scraper), name=f"scrape {key}")

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

    async def _drive(self, scraper: TargetScraper) -> None:
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
            scraper.note_next(from_milliseconds(due_ms))
            # No longer than an interval, also if the system clock was set back meanwhile.
            await self._clock.sleep(min(due_ms - now_ms, interval_ms) / 1000)

    def _note_scraped(self) -> None:
        if self._has_more_targets or self._first_round.is_set():
            return
        if all(scraper.status.last_scrape_at is not None for scraper in self._scrapers.values()):
            self._first_round.set()

    def _build_scraper(self, target: Target) -> TargetScraper:
        return TargetScraper(
            target=target,
            sink=self._sink,
            access=self.get_access(target.config),
            clock=self._clock,
            telemetry=self._telemetry,
            metadata=self._metadata,
            exemplars=self._exemplars,
            find_pool_error=lambda: self._pool_errors.get(target.pool, ""),
        )


async def _sleep(clock: Clock, seconds: float) -> None:
    await clock.sleep(seconds)


async def _cancel(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
