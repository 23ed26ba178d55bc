"""What probes need of a store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from resumatch_monitor.probes.outage import (
    EpisodeKind,
    Observation,
    ProbeState,
    ProbeStatus,
    Transition,
)
from resumatch_monitor.probes.uptime import Span, StoredResult


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One attempt and everything that follows from it; stored whole or not at all.

    Attributes:
        probe_id: Which probe.
        observation: The attempt.
        verdict: What it alone says.
        state: The probe's state after it.
        transitions: The episodes that it opens or closes.
        longest_gap: The watch goes on if the last attempt is not longer ago.
        alert_labels: By kind of episode, what an alert for it is labelled with.
    """

    probe_id: str
    observation: Observation
    verdict: ProbeStatus
    state: ProbeState
    transitions: Sequence[Transition]
    longest_gap: timedelta
    alert_labels: Mapping[EpisodeKind, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Episode:
    """A stored outage, or a stretch of slowness.

    Attributes:
        id: Of the episode.
        probe_id: Whose it is.
        kind: Down or slow.
        started_at: The first bad attempt.
        opened_at: When it was known to be one.
        ended_at: The first good attempt; None while it is open.
        cause: What the first bad attempt said.
        alert_labels: With which its alert was, or will be, raised.
        is_told: Whether dispatch has been told that it opened.
    """

    id: int
    probe_id: str
    kind: EpisodeKind
    started_at: datetime
    opened_at: datetime
    ended_at: datetime | None
    cause: str
    alert_labels: Mapping[str, str]
    is_told: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is stored of a probe, as a status page needs it."""

    state: ProbeState
    last_result: StoredResult | None
    results: Sequence[StoredResult]
    watched: Sequence[Span]
    outages: Sequence[Episode]


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """Results of one bucket: the mean time of those that succeeded, None if none did."""

    at_ms: int
    duration_seconds: float | None


class ProbeJournal(Protocol):
    """Keeps what probes find; when a call returns, it is durable."""

    async def load_states(self) -> Mapping[str, ProbeState]:
        """Return the states of all probes that were ever recorded, by id."""
        ...

    async def record(self, record: RunRecord) -> None:
        """Store an attempt."""
        ...

    async def close_orphans(self, known_ids: Sequence[str], now: datetime) -> None:
        """End the open episodes of probes that exist no longer, and forget their state."""
        ...

    async def prune(self, *, results_before: datetime, outages_before: datetime) -> int:
        """Delete some of what is older, not holding up other writes; return how much."""
        ...


class AlertBacklog(Protocol):
    """Episodes whose beginning or end dispatch does not know yet."""

    async def find_untold(self, limit: int) -> Sequence[Episode]:
        """Return the oldest of them."""
        ...

    async def mark_told(self, episode: Episode) -> None:
        """Remember that dispatch knows all of `episode` as it was read."""
        ...


class ProbeHistory(Protocol):
    """Reads what was kept."""

    async def load_states(self) -> Mapping[str, ProbeState]:
        """Return the states of all probes that were ever recorded, by id."""
        ...

    async def read_snapshots(
        self, probe_ids: Sequence[str], *, results_since: Mapping[str, datetime], since: datetime
    ) -> Mapping[str, Snapshot]:
        """Return what is stored of each probe, if anything is.

        Args:
            probe_ids: Which.
            results_since: By probe, from when its single results are wanted.
            since: From when watches and outages are wanted.
        """
        ...

    async def find_outages(
        self, probe_id: str, *, before_id: int | None, limit: int
    ) -> Sequence[Episode]:
        """Return outages (not slowness), newest first, older than `before_id`."""
        ...

    async def find_outages_between(
        self, probe_id: str, start: datetime, end: datetime, limit: int
    ) -> Sequence[Episode]:
        """Return the outages that touch the range, oldest first."""
        ...

    async def read_chart(
        self, probe_id: str, *, from_ms: int, to_ms: int, step_ms: int
    ) -> Sequence[ChartPoint]:
        """Return the buckets of `step_ms` that have results, in order."""
        ...

    async def find_recent_outages(self, since: datetime, limit: int) -> Sequence[Episode]:
        """Return the outages of any probe opened or ended since then, latest change first."""
        ...
