"""How healthy releases are: what is counted of sessions, and who counts it."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from prometheus_client import Counter

from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.releases.sessions import SessionError, SessionUpdate, read_sessions
from resumatch_monitor.sentry.items import ItemRecord

logger = logging.getLogger(__name__)

MOST_GROUPS = 500
"""Of one project in one hour: releases by environments. Sessions of others are refused."""


@dataclass(frozen=True, slots=True)
class Health:
    """Sessions of a release; each is in at most one of `errored`, `abnormal` and `crashed`."""

    total: int = 0
    errored: int = 0
    abnormal: int = 0
    crashed: int = 0
    users: int = 0
    crashed_users: int = 0

    @property
    def crash_free_sessions(self) -> float | None:
        """The share that did not crash; None without any."""
        return None if not self.total else max(0.0, 1 - self.crashed / self.total)

    @property
    def crash_free_users(self) -> float | None:
        """The share of users without a crash; None if no session said whose it was."""
        return None if not self.users else max(0.0, 1 - self.crashed_users / self.users)


@dataclass(frozen=True, slots=True)
class ReleaseSummary:
    """A release that was announced, or that events or sessions came from."""

    project_id: int
    version: str
    first_seen_at: datetime


@dataclass(frozen=True, slots=True)
class ReleaseFilter:
    """Which releases; what is None does not matter.

    Attributes:
        text: A part of the version, in small or capital letters.
        in_use_since: There have been sessions since; in `environment`, if that is given.
    """

    project_id: int | None = None
    text: str = ""
    in_use_since: datetime | None = None
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class HealthByHour:
    """The sessions of a release, by hours and by environments.

    Attributes:
        is_cut: Whether there are more hours, before these.
    """

    hours: Mapping[datetime, Health] = field(default_factory=dict[datetime, Health])
    environments: Mapping[str, Health] = field(default_factory=dict[str, Health])
    is_cut: bool = False


class SessionStore(Protocol):
    """Counts sessions."""

    async def record(
        self, records: Sequence[ItemRecord], updates: Sequence[SessionUpdate]
    ) -> tuple[int, int]:
        """Count what is new in one durable transaction; return how many counted, how many not.

        Raises:
            StorageUnavailableError: If nothing was kept and trying again may help.
        """
        ...


class HealthReader(Protocol):
    """Shows how healthy releases are."""

    async def list_releases(
        self, wanted: ReleaseFilter, *, offset: int, limit: int
    ) -> Sequence[ReleaseSummary]:
        """Return releases, those first seen last first."""
        ...

    async def list_environments(self, project_id: int | None, *, since: datetime) -> Sequence[str]:
        """Return the environments with sessions, by name; of very many the first."""
        ...

    async def find_release(self, project_id: int, version: str) -> ReleaseSummary | None:
        """Return a release."""
        ...

    async def health(
        self, releases: Sequence[ReleaseSummary], *, since: datetime, environment: str | None
    ) -> Mapping[tuple[int, str], Health]:
        """Return by project and version what was counted; releases without sessions are not in."""
        ...

    async def count_sessions(
        self, project_ids: Sequence[int], *, since: datetime, environment: str | None
    ) -> Mapping[int, int]:
        """Return how many sessions there were of all releases, by project."""
        ...

    async def by_hour(self, project_id: int, version: str, *, since: datetime) -> HealthByHour:
        """Return a release's sessions in detail."""
        ...

    async def count_regressed(
        self, releases: Sequence[ReleaseSummary]
    ) -> Mapping[tuple[int, str], int]:
        """Return how many issues are regressed and were seen last in each release."""
        ...

    async def current(
        self, *, since: datetime, limit: int
    ) -> Sequence[tuple[int, str, str, int, int]]:
        """Return project, version, environment, sessions and crashes of the most used releases."""
        ...


class SessionProcessor:
    """Implements `ItemProcessor` for sessions, single and counted."""

    def __init__(self, *, store: SessionStore, telemetry: Telemetry) -> None:
        self._store = store
        self._counted = Counter(
            "resumatch_monitor_session_updates_total",
            "What was said of sessions, by what became of it.",
            ["outcome"],
            registry=telemetry.registry,
        )
        for outcome in ("stored", "unreadable", "refused"):
            self._counted.labels(outcome)

    async def process(self, records: Sequence[ItemRecord]) -> None:
        """Count sessions; see `ItemProcessor`."""
        updates: list[SessionUpdate] = []
        for record in records:
            try:
                updates += read_sessions(record)
            except SessionError as error:
                # Common: most SDKs send sessions of programs that have no release, too.
                logger.debug("A session of project %d does not count: %s", record.project_id, error)
                self._counted.labels("unreadable").inc()
        stored, refused = await self._store.record(records, updates)
        self._counted.labels("stored").inc(stored)
        self._counted.labels("refused").inc(refused)
