"""What is told of probes: their state, uptime, beats, outages and charts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from resumatch_monitor.kit.clock import Clock, from_milliseconds
from resumatch_monitor.probes.cadence import build_thresholds
from resumatch_monitor.probes.config import ProbeConfig
from resumatch_monitor.probes.identity import make_probe_id
from resumatch_monitor.probes.outage import ProbeState, ProbeStatus
from resumatch_monitor.probes.registry import build_probe
from resumatch_monitor.probes.store import ChartPoint, Episode, ProbeHistory, Snapshot
from resumatch_monitor.probes.tools import ProbeTools
from resumatch_monitor.probes.uptime import (
    BEAT_COUNT,
    Beat,
    Span,
    StoredResult,
    build_beats,
    compute_uptime,
)

UPTIME_WINDOWS = {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}

_LONGEST_WINDOW = max(UPTIME_WINDOWS.values())
_MOST_OUTAGES_IN_CHART = 500


@dataclass(frozen=True, slots=True)
class ProbeView:
    """A probe as people see it."""

    id: str
    name: str
    type: str
    target: str
    status: ProbeStatus
    since: datetime | None
    last_result: StoredResult | None
    interval: timedelta
    uptime: Mapping[str, float | None]
    beats: Sequence[Beat]
    outage: Episode | None


@dataclass(frozen=True, slots=True)
class OutageChange:
    """An outage that opened or closed."""

    at: datetime
    is_opening: bool
    probe_name: str
    outage: Episode


@dataclass(frozen=True, slots=True)
class ResponseTimes:
    """Response times over a range; None where an attempt failed or nobody watched."""

    points: Sequence[ChartPoint]
    outages: Sequence[Episode]


@dataclass(frozen=True, slots=True)
class _Known:
    config: ProbeConfig
    target: str


class ProbeReader:
    """Reads what is known of the configured probes."""

    def __init__(
        self, *, configs: Sequence[ProbeConfig], tools: ProbeTools, history: ProbeHistory
    ) -> None:
        self._clock: Clock = tools.clock
        self._history = history
        self._known = {
            make_probe_id(config.name): _Known(config, build_probe(config, tools).target)
            for config in configs
        }

    @property
    def ids(self) -> list[str]:
        """The ids of all probes, as configured."""
        return list(self._known)

    async def list_probes(self, ids: Sequence[str] | None = None) -> list[ProbeView]:
        """Return the probes with these ids, or all."""
        wanted = [each for each in (self._known if ids is None else ids) if each in self._known]
        now = self._clock.now()
        results_since = {
            probe_id: now - (BEAT_COUNT + 1) * self._known[probe_id].config.interval
            for probe_id in wanted
        }
        snapshots = await self._history.read_snapshots(
            wanted, results_since=results_since, since=now - _LONGEST_WINDOW
        )
        return [self._build_view(each, snapshots.get(each), now) for each in wanted]

    async def find_probe(self, probe_id: str) -> ProbeView | None:
        """Return one probe."""
        return next(iter(await self.list_probes([probe_id])), None)

    async def count_down(self) -> int:
        """Return how many targets are down."""
        states = await self._history.load_states()
        now = self._clock.now()
        return sum(
            self._judge(known, states.get(probe_id), now)[0] is ProbeStatus.DOWN
            for probe_id, known in self._known.items()
        )

    async def find_outages(
        self, probe_id: str, *, before_id: int | None, limit: int
    ) -> Sequence[Episode]:
        """Return a probe's outages, newest first."""
        return await self._history.find_outages(probe_id, before_id=before_id, limit=limit)

    async def find_changes(self, since: datetime, limit: int) -> list[OutageChange]:
        """Return the outages that opened or closed since then, newest first."""
        changes: list[OutageChange] = []
        for outage in await self._history.find_recent_outages(since, limit):
            known = self._known.get(outage.probe_id)
            name = known.config.name if known else outage.probe_id
            if outage.ended_at is not None and outage.ended_at >= since:
                changes.append(OutageChange(outage.ended_at, False, name, outage))
            if outage.opened_at >= since:
                changes.append(OutageChange(outage.opened_at, True, name, outage))
        return sorted(changes, key=lambda change: change.at, reverse=True)[:limit]

    async def read_response_times(
        self, probe_id: str, *, from_ms: int, to_ms: int, step_ms: int
    ) -> ResponseTimes:
        """Return a probe's response times with a None wherever the line must break."""
        points = await self._history.read_chart(
            probe_id, from_ms=from_ms, to_ms=to_ms, step_ms=step_ms
        )
        outages = await self._history.find_outages_between(
            probe_id, from_milliseconds(from_ms), from_milliseconds(to_ms), _MOST_OUTAGES_IN_CHART
        )
        longest_gap = build_thresholds(self._known[probe_id].config).longest_gap
        gap_ms = max(round(longest_gap / timedelta(milliseconds=1)), 2 * step_ms)
        return ResponseTimes(points=_break_at_gaps(points, gap_ms, step_ms), outages=outages)

    def interval_ms(self, probe_id: str) -> int:
        """Return the finest step that makes sense in a probe's chart."""
        return round(self._known[probe_id].config.interval / timedelta(milliseconds=1))

    def _judge(
        self, known: _Known, state: ProbeState | None, now: datetime
    ) -> tuple[ProbeStatus, datetime | None]:
        if state is None or state.last_at is None:
            return ProbeStatus.UNKNOWN, None
        if now - state.last_at > build_thresholds(known.config).longest_gap:
            return ProbeStatus.UNKNOWN, state.last_at
        return state.status, state.status_since

    def _build_view(self, probe_id: str, snapshot: Snapshot | None, now: datetime) -> ProbeView:
        known = self._known[probe_id]
        interval = known.config.interval
        status, since = self._judge(known, snapshot.state if snapshot else None, now)
        results: Sequence[StoredResult] = snapshot.results if snapshot else ()
        outages: Sequence[Episode] = snapshot.outages if snapshot else ()
        return ProbeView(
            id=probe_id,
            name=known.config.name,
            type=known.config.type,
            target=known.target,
            status=status,
            since=since,
            last_result=snapshot.last_result if snapshot else None,
            interval=interval,
            uptime=_compute_uptimes(snapshot, now),
            beats=build_beats(results, now=now, interval=interval),
            outage=next((each for each in outages if each.ended_at is None), None),
        )


def _compute_uptimes(snapshot: Snapshot | None, now: datetime) -> dict[str, float | None]:
    if snapshot is None:
        return dict.fromkeys(UPTIME_WINDOWS)
    outages = [Span(each.started_at, each.ended_at or now) for each in snapshot.outages]
    return {
        name: compute_uptime(Span(now - window, now), watched=snapshot.watched, outages=outages)
        for name, window in UPTIME_WINDOWS.items()
    }


def _break_at_gaps(points: Sequence[ChartPoint], gap_ms: int, step_ms: int) -> list[ChartPoint]:
    broken: list[ChartPoint] = []
    for point in points:
        if broken and point.at_ms - broken[-1].at_ms > gap_ms:
            broken.append(ChartPoint(broken[-1].at_ms + step_ms, None))
        broken.append(point)
    return broken
