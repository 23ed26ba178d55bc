"""What crons ask of whoever keeps jobs, their runs and their incidents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from resumatch_monitor.crons.model import CheckIn, Incident, Job, Run, RunStatus
from resumatch_monitor.sentry.items import ItemRecord

MOST_JOBS = 1_000
"""Of one project; check-ins of others are refused."""
MOST_ENVIRONMENTS = 20
"""Of one job; check-ins from others are refused."""
JOB_STATES = ("failing", "ok", "waiting", "paused")
"""What a job as a whole can be, the worst of its environments first."""
MOST_RUNS = 5_000
"""Of one job in one environment; the oldest go."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of check-ins.

    Attributes:
        stored: How many count.
        refused: How many came from a job, or an environment, too many.
        has_incidents: Whether an incident began or ended.
    """

    stored: int = 0
    refused: int = 0
    has_incidents: bool = False


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs; what is None does not matter.

    Attributes:
        environment: The job runs in; its status is then the one that it has there.
        status: One of `JOB_STATES`.
        text: A part of the name, in small or capital letters.
    """

    project_ids: Sequence[int] | None = None
    environment: str | None = None
    status: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class JobSummary:
    """What there is to choose from.

    Attributes:
        counts: How many jobs have each of `JOB_STATES`, whatever status is asked for.
        environments: In which jobs run, by name; of very many the first.
    """

    counts: Mapping[str, int]
    environments: Sequence[str]


class CheckInStore(Protocol):
    """Takes check-ins."""

    async def record(self, records: Sequence[ItemRecord], check_ins: Sequence[CheckIn]) -> Recorded:
        """Keep check-ins in order, each once, in one durable transaction.

        Args:
            records: All that came, also those that are no check-ins.
            check_ins: What could be read of them.

        Raises:
            StorageUnavailableError: If nothing was kept and trying again may help.
        """
        ...


class Timekeeper(Protocol):
    """Finds out what did not happen in time."""

    async def tick(self, *, now: datetime, digested_to: datetime, down_to: datetime | None) -> bool:
        """Count what is missed or over time; tell whether an incident began.

        Args:
            now: The monitor is alive.
            digested_to: All check-ins that came before are recorded.
            down_to: Set if the monitor was down from when it was last alive until then: what
                was to happen in between is not known, and is no failure.
        """
        ...

    async def last_alive(self) -> datetime | None:
        """Return when `tick` was called last, in this process or an earlier one."""
        ...


class IncidentBacklog(Protocol):
    """Remembers which incidents were told."""

    async def untold(self, limit: int) -> Sequence[Incident]:
        """Return incidents of whose beginning or end nobody was told, the oldest first."""
        ...

    async def mark_told(self, incident: Incident) -> None:
        """Remember that `incident` was told as it stands."""
        ...


class JobReader(Protocol):
    """Shows jobs."""

    async def page(
        self, wanted: JobFilter, *, cursor: str | None, limit: int
    ) -> tuple[Sequence[Job], str | None]:
        """Return jobs by project and name, and where the next page begins.

        Raises:
            ValueError: If the cursor is not one of this list's.
        """
        ...

    async def summarise(self, wanted: JobFilter) -> JobSummary:
        """Return what there is to choose from among the jobs that are asked for."""
        ...

    async def find(self, project_id: int, slug: str) -> Job | None:
        """Return a job."""
        ...

    async def runs(
        self,
        job_id: int,
        *,
        environment: str | None = None,
        status: RunStatus | None = None,
        before_id: int | None,
        limit: int,
    ) -> Sequence[Run]:
        """Return a job's runs, the latest first."""
        ...


class JobDesk(Protocol):
    """Changes jobs; each change is one durable transaction."""

    async def set_muted(self, job_id: int, muted: bool, at: datetime) -> None:
        """Hold back the job's alerts, or do not; what is open ends."""
        ...

    async def set_paused(self, job_id: int, paused: bool, at: datetime) -> None:
        """Expect nothing of the job for a while, or do again; what is open ends."""
        ...

    async def delete(self, job_id: int, at: datetime) -> None:
        """Forget the job, its runs, and end its incidents."""
        ...
