"""Watches one target: makes attempts and lets everything follow from each."""

import logging
from datetime import datetime, timedelta

from prometheus_client import Counter

from resumatch_monitor.kit.clock import Clock, from_milliseconds, to_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.probes.alerts import EpisodeTeller, build_alert_labels
from resumatch_monitor.probes.cadence import build_thresholds, find_retry_delay
from resumatch_monitor.probes.config import ProbeConfig
from resumatch_monitor.probes.identity import make_probe_id
from resumatch_monitor.probes.outage import Observation, ProbeState, advance
from resumatch_monitor.probes.probe import Probe, ProbeResult, run_probe
from resumatch_monitor.probes.series import ProbeSeries
from resumatch_monitor.probes.store import ProbeJournal, RunRecord

logger = logging.getLogger(__name__)


class ProbeMetrics:
    """The probes' share of the monitor's own metrics."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.runs = Counter(
            "resumatch_monitor_probe_runs_total",
            "Attempts of probes.",
            ["type", "outcome"],
            registry=telemetry.registry,
        )
        self.lost = Counter(
            "resumatch_monitor_probe_lost_total",
            "Results that a store refused.",
            ["store"],
            registry=telemetry.registry,
        )
        for store in ("sql", "series"):
            self.lost.labels(store)


class ProbeWatcher:
    """One probe with its state.

    The state in memory never runs ahead of the stored one: if the store refuses a result, it is
    as if the attempt had not been made, and the next one decides.
    """

    def __init__(
        self,
        *,
        config: ProbeConfig,
        probe: Probe,
        series: ProbeSeries,
        journal: ProbeJournal,
        teller: EpisodeTeller,
        metrics: ProbeMetrics,
        clock: Clock,
    ) -> None:
        self.config = config
        self.probe = probe
        self.probe_id = make_probe_id(config.name)
        self.state = ProbeState()
        self._series = series
        self._journal = journal
        self._teller = teller
        self._metrics = metrics
        self._clock = clock
        self._thresholds = build_thresholds(config)
        self._alert_labels = build_alert_labels(config)

    async def run_once(self) -> None:
        """Make one attempt and record it."""
        # In milliseconds, as it is stored: an outage must not begin twice at almost one time.
        at = from_milliseconds(to_milliseconds(self._clock.now()))
        result = await run_probe(self.probe, timeout=self.config.timeout, clock=self._clock)
        outcome = "success" if result.is_success else "failure"
        self._metrics.runs.labels(self.config.type, outcome).inc()
        await self._record(at, result)
        await self._write_series(at, result)

    def find_retry_delay(self) -> timedelta | None:
        """Return how soon after the last attempt's start the next is wanted out of turn."""
        return find_retry_delay(self.state, self.config, self._clock.now())

    async def _record(self, at: datetime, result: ProbeResult) -> None:
        # Not `now`: the wall clock may have jumped during the attempt.
        finished_at = at + timedelta(seconds=result.duration_seconds)
        observation = Observation(at=at, finished_at=finished_at, result=result)
        state, transitions = advance(self.state, observation, self._thresholds)
        record = RunRecord(
            probe_id=self.probe_id,
            observation=observation,
            verdict=observation.judge(self.config.slow_after),
            state=state,
            transitions=transitions,
            longest_gap=self._thresholds.longest_gap,
            alert_labels=self._alert_labels,
        )
        try:
            await self._journal.record(record)
        except Exception:
            logger.exception("A result of the probe %s could not be stored", self.probe_id)
            self._metrics.lost.labels("sql").inc()
            return
        self.state = state
        if transitions:
            self._teller.wake()

    async def _write_series(self, at: datetime, result: ProbeResult) -> None:
        try:
            await self._series.write(result, at)
        except Exception:
            # Charts may have a hole; outages and alerts must not.
            logger.exception("Samples of the probe %s could not be stored", self.probe_id)
            self._metrics.lost.labels("series").inc()
