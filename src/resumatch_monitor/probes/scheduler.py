"""Runs every probe at its own times: spread out, never overlapping, never in bursts."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from prometheus_client import Gauge, Histogram

from resumatch_monitor.alerts.alert import AlertSink
from resumatch_monitor.kit.cadence import find_next_slot, find_phase
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.loops import Supervisor
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.samples import SampleSink
from resumatch_monitor.probes.alerts import EpisodeTeller
from resumatch_monitor.probes.config import ProbeConfig
from resumatch_monitor.probes.identity import find_duplicate_ids, make_probe_id
from resumatch_monitor.probes.outage import ProbeStatus
from resumatch_monitor.probes.registry import build_probe
from resumatch_monitor.probes.series import ProbeSeries
from resumatch_monitor.probes.store import AlertBacklog, ProbeJournal
from resumatch_monitor.probes.tools import ProbeTools
from resumatch_monitor.probes.watcher import ProbeMetrics, ProbeWatcher

_AT_ONCE = 64
_FIRST_RUNS_WITHIN_SECONDS = 5.0
_TELLER_LOOP = "probes: alerts"
_PRUNE_LOOP = "probes: retention"
_PRUNE_INTERVAL_SECONDS = 600.0
_PRUNE_PAUSE_SECONDS = 1.0
_OUTAGES_KEPT = timedelta(days=400)


class ProbeScheduler:
    """All probes of the configuration, a supervised loop each.

    Raises:
        ValueError: If two names lead to the same id.
    """

    def __init__(
        self,
        *,
        configs: Sequence[ProbeConfig],
        tools: ProbeTools,
        journal: ProbeJournal,
        backlog: AlertBacklog,
        sink: SampleSink,
        alerts: AlertSink,
        supervisor: Supervisor,
        telemetry: Telemetry,
        results_kept: timedelta = timedelta(days=31),
    ) -> None:
        duplicates = find_duplicate_ids(config.name for config in configs)
        if duplicates:
            raise ValueError(f"two probes have the same name: {', '.join(duplicates)}")
        self._clock: Clock = tools.clock
        self._journal = journal
        self._supervisor = supervisor
        self._results_kept = results_kept
        self._free_places = asyncio.Semaphore(_AT_ONCE)
        self._loops: list[str] = []
        self._teller = EpisodeTeller(
            backlog=backlog, alerts=alerts, configs=configs, clock=tools.clock
        )
        metrics = ProbeMetrics(telemetry)
        self._watchers = [self._build_watcher(config, tools, sink, metrics) for config in configs]
        self._lateness = Histogram(
            "resumatch_monitor_probe_lateness_seconds",
            "How long after its time an attempt began.",
            buckets=(0.01, 0.1, 1.0, 10.0),
            registry=telemetry.registry,
        )
        open_outages = Gauge(
            "resumatch_monitor_probe_outages_open",
            "Targets that are down.",
            registry=telemetry.registry,
        )
        open_outages.set_function(self._count_down)

    async def start(self) -> None:
        """Take up where the last process left off, and start the loops."""
        states = await self._journal.load_states()
        known_ids = [watcher.probe_id for watcher in self._watchers]
        await self._journal.close_orphans(known_ids, self._clock.now())
        for watcher in self._watchers:
            watcher.state = states.get(watcher.probe_id, watcher.state)
            loop = functools.partial(self._keep_watching, watcher)
            self._start_loop(f"probe: {watcher.probe_id}", loop)
        self._start_loop(_TELLER_LOOP, self._teller.run)
        self._start_loop(_PRUNE_LOOP, self._keep_pruning)

    async def stop(self) -> None:
        """End the loops; an attempt under way leaves no trace."""
        while self._loops:
            await self._supervisor.stop(self._loops.pop())

    def _start_loop(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        self._supervisor.start(name, loop)
        self._loops.append(name)

    async def _keep_watching(self, watcher: ProbeWatcher) -> None:
        interval_seconds = watcher.config.interval.total_seconds()
        phase = find_phase(watcher.probe_id)
        now_seconds = self._clock.now().timestamp()
        slot = find_next_slot(
            now_seconds,
            interval_seconds=interval_seconds,
            offset_seconds=phase * interval_seconds,
        )
        # From here on by the monotonic clock: the wall clock may be set.
        anchor = self._clock.monotonic() + slot - now_seconds
        due = self._find_first_due(watcher, anchor, phase)
        while True:
            await self._clock.sleep(max(0.0, due - self._clock.monotonic()))
            async with self._free_places:
                started = self._clock.monotonic()
                self._lateness.observe(max(0.0, started - due))
                await watcher.run_once()
            due = self._find_next_due(watcher, anchor, started)

    def _find_first_due(self, watcher: ProbeWatcher, anchor: float, phase: float) -> float:
        last_at = watcher.state.last_at
        is_fresh = (
            last_at is not None
            and timedelta(0) <= self._clock.now() - last_at < watcher.config.interval
        )
        if is_fresh and watcher.find_retry_delay() is None:
            return anchor
        within = min(_FIRST_RUNS_WITHIN_SECONDS, watcher.config.interval.total_seconds())
        return self._clock.monotonic() + phase * within

    def _find_next_due(self, watcher: ProbeWatcher, anchor: float, started: float) -> float:
        interval_seconds = watcher.config.interval.total_seconds()
        now = self._clock.monotonic()
        due = find_next_slot(now, interval_seconds=interval_seconds, offset_seconds=anchor)
        retry_delay = watcher.find_retry_delay()
        if retry_delay is not None:
            due = min(due, max(now, started + retry_delay.total_seconds()))
        return due

    async def _keep_pruning(self) -> None:
        while True:
            now = self._clock.now()
            count = await self._journal.prune(
                results_before=now - self._results_kept, outages_before=now - _OUTAGES_KEPT
            )
            await self._clock.sleep(_PRUNE_PAUSE_SECONDS if count else _PRUNE_INTERVAL_SECONDS)

    def _count_down(self) -> float:
        return sum(watcher.state.status is ProbeStatus.DOWN for watcher in self._watchers)

    def _build_watcher(
        self, config: ProbeConfig, tools: ProbeTools, sink: SampleSink, metrics: ProbeMetrics
    ) -> ProbeWatcher:
        probe = build_probe(config, tools)
        series = ProbeSeries(
            sink=sink,
            probe_id=make_probe_id(config.name),
            name=config.name,
            target=probe.target,
            is_http=config.type == "http",
            labels=config.labels,
        )
        return ProbeWatcher(
            config=config,
            probe=probe,
            series=series,
            journal=self._journal,
            teller=self._teller,
            metrics=metrics,
            clock=tools.clock,
        )
