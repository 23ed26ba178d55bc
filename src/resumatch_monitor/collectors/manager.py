"""Runs the collectors: each at its own times, each a target like any that is scraped."""

import asyncio
import functools
import logging
from collections.abc import Collection
from dataclasses import replace

from prometheus_client import Counter

from resumatch_monitor.collectors.collector import Collected, CollectError, Collector
from resumatch_monitor.collectors.config import (
    CollectorsConfig,
    PostgresCollectorConfig,
    RedisCollectorConfig,
)
from resumatch_monitor.kit.cadence import find_next_slot, find_phase
from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.kit.durations import format_duration
from resumatch_monitor.kit.loops import Supervisor
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.samples import SampleSink, StoreFullError
from resumatch_monitor.metrics.status import TargetStatus
from resumatch_monitor.metrics.writer import TargetWriter

logger = logging.getLogger(__name__)

_FIRST_ROUNDS_WITHIN_SECONDS = 1.0
_CLOSE_TIMEOUT_SECONDS = 2.0


def build_collectors(
    config: CollectorsConfig, *, allowed_hosts: Collection[str] = ()
) -> list[Collector]:
    """Return the collectors that `config` describes.

    Raises:
        ValueError: If two of a kind have the same name.
    """
    collectors: list[Collector] = [
        *(_build_postgres(each, allowed_hosts) for each in config.postgres),
        *(_build_redis(each, allowed_hosts) for each in config.redis),
    ]
    keys = [(each.job, each.instance) for each in collectors]
    for job, instance in keys:
        if keys.count((job, instance)) > 1:
            raise ValueError(f"two collectors of the job {job} are named {instance}")
    return collectors


# A driver is loaded with the first collector of its kind: it takes several mebibytes.


def _build_postgres(config: PostgresCollectorConfig, allowed_hosts: Collection[str]) -> Collector:
    from resumatch_monitor.collectors.postgres import PostgresCollector  # noqa: PLC0415

    return PostgresCollector(config, allowed_hosts=allowed_hosts)


def _build_redis(config: RedisCollectorConfig, allowed_hosts: Collection[str]) -> Collector:
    from resumatch_monitor.collectors.redis import RedisCollector  # noqa: PLC0415

    return RedisCollector(config, allowed_hosts=allowed_hosts)


class CollectorManager:
    """All collectors, a supervised loop each."""

    def __init__(
        self,
        *,
        collectors: Collection[Collector],
        sink: SampleSink,
        supervisor: Supervisor,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._supervisor = supervisor
        self._clock = clock
        self._runners = [
            _Runner(
                collector=collector,
                sink=sink,
                clock=clock,
                failures=failures,
                problems=problems,
            )
            for failures, problems in [_build_counters(telemetry)]
            for collector in collectors
        ]
        self._loops: list[str] = []

    def start(self) -> None:
        """Start the loops; the first rounds are made at once."""
        for runner in self._runners:
            name = f"collector: {runner.collector.job} {runner.collector.instance}"
            self._supervisor.start(name, functools.partial(self._keep_collecting, runner))
            self._loops.append(name)

    async def stop(self) -> None:
        """End the loops and close the connections."""
        while self._loops:
            await self._supervisor.stop(self._loops.pop())
        for runner in self._runners:
            await runner.close()

    def statuses(self) -> list[TargetStatus]:
        """Return what is known of each collector's target."""
        return [runner.status for runner in self._runners]

    async def wait_until_first_round(self, timeout_seconds: float) -> bool:
        """Wait until every collector has made a round; False if that took too long."""
        try:
            async with asyncio.timeout(timeout_seconds):
                for runner in self._runners:
                    await runner.has_run.wait()
        except TimeoutError:
            return False
        return True

    async def _keep_collecting(self, runner: "_Runner") -> None:
        collector = runner.collector
        interval_seconds = collector.interval.total_seconds()
        phase = find_phase(f"{collector.job}/{collector.instance}")
        now_seconds = self._clock.now().timestamp()
        offset = phase * interval_seconds
        slot = find_next_slot(now_seconds, interval_seconds=interval_seconds, offset_seconds=offset)
        # From here on by the monotonic clock: the wall clock may be set.
        anchor = self._clock.monotonic() + slot - now_seconds
        due = self._clock.monotonic() + phase * min(_FIRST_ROUNDS_WITHIN_SECONDS, interval_seconds)
        while True:
            await self._clock.sleep(max(0.0, due - self._clock.monotonic()))
            await runner.run_once()
            due = find_next_slot(
                self._clock.monotonic(), interval_seconds=interval_seconds, offset_seconds=anchor
            )


class _Runner:
    """One collector with its status and its writer."""

    def __init__(
        self,
        *,
        collector: Collector,
        sink: SampleSink,
        clock: Clock,
        failures: Counter,
        problems: Counter,
    ) -> None:
        self.collector = collector
        self.has_run = asyncio.Event()
        labels = {"job": collector.job, "instance": collector.instance}
        self.status = TargetStatus(
            job=collector.job,
            instance=collector.instance,
            url=collector.url,
            labels=labels,
            interval_seconds=collector.interval.total_seconds(),
            timeout_seconds=collector.timeout.total_seconds(),
            pool=collector.job,
        )
        self._clock = clock
        self._writer = TargetWriter(
            sink=sink,
            target_key=f"collector/{collector.job}/{collector.instance}",
            target_labels=labels,
        )
        self._failures = failures.labels(collector.job, collector.instance)
        self._problems = problems.labels(collector.job, collector.instance)
        self._last_ms = 0

    async def run_once(self) -> None:
        """Make one round; whatever happens is written and shown."""
        at = self._clock.now()
        started = self._clock.monotonic()
        try:
            collected, error = await self._collect(), ""
        except CollectError as failure:
            collected, error = Collected(self.collector.series_when_down), str(failure)
            self._failures.inc()
        is_up = not error
        for _ in collected.problems:
            self._problems.inc()
        self._show(
            replace(
                self.status,
                health="up" if is_up else "down",
                last_scrape_at=at,
                last_error=error or "; ".join(collected.problems),
                scrape_duration_seconds=self._clock.monotonic() - started,
                samples_scraped=len(collected.series),
                samples_after_relabelling=len(collected.series),
            )
        )
        # Rows of a target must ascend; a clock that was set back must not stop them.
        timestamp_ms = max(to_milliseconds(at), self._last_ms + 1)
        try:
            await self._writer.write(
                collected.series,
                timestamp_ms=timestamp_ms,
                duration_seconds=self.status.scrape_duration_seconds,
                is_up=is_up,
            )
            self._last_ms = timestamp_ms
        except StoreFullError as full:
            logger.warning("What %s told could not be stored: %s", self.status.instance, full)
        finally:
            self.has_run.set()

    async def close(self) -> None:
        """Close the collector's connection, without waiting long."""
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_SECONDS):
                await self.collector.close()
        except TimeoutError:
            logger.debug("Closing the connection to %s took too long", self.collector.instance)

    async def _collect(self) -> Collected:
        timeout = self.collector.timeout
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                return await self.collector.collect()
        except TimeoutError:
            # What is still on its way would be taken for the answer to the next question.
            await self.close()
            raise CollectError(f"no answer within {format_duration(timeout)}") from None

    def _show(self, status: TargetStatus) -> None:
        if (status.health, status.last_error) != (self.status.health, self.status.last_error):
            level = logging.WARNING if status.last_error else logging.INFO
            logger.log(
                level,
                "Collector %s %s is %s%s",
                status.job,
                status.instance,
                status.health,
                f": {status.last_error}" if status.last_error else "",
            )
        self.status = status


def _build_counters(telemetry: Telemetry) -> tuple[Counter, Counter]:
    return (
        Counter(
            "resumatch_monitor_collector_failures_total",
            "Rounds in which a server could not be asked.",
            ["job", "instance"],
            registry=telemetry.registry,
        ),
        Counter(
            "resumatch_monitor_collector_problems_total",
            "Questions that a server refused or was too slow to answer.",
            ["job", "instance"],
            registry=telemetry.registry,
        ),
    )
