"""Scheduled jobs, what is expected of them, and what they said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from resumatch_monitor.crons.schedule import Schedule


class RunStatus(StrEnum):
    """How a run of a job is, or ended.

    `unknown` is one whose end the monitor may have missed itself, while it was down.
    """

    IN_PROGRESS = "in_progress"
    OK = "ok"
    ERROR = "error"
    MISSED = "missed"
    TIMEOUT = "timeout"
    UNKNOWN = "unknown"


class FailureKind(StrEnum):
    """What an alert about a job says."""

    MISSED = "missed"
    FAILED = "failed"
    OVER_TIME = "over_time"


class JobStatus(StrEnum):
    """How a job is in an environment; `waiting` before its first run is over."""

    WAITING = "waiting"
    OK = "ok"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class JobConfig:
    """What is expected of a job.

    Attributes:
        margin: How late a check-in may be before it counts as missed.
        max_runtime: After how long a run counts as over time.
        failure_threshold: After how many failures in a row there is an alert.
        recovery_threshold: After how many good runs in a row the alert ends.
    """

    schedule: Schedule
    margin: timedelta = timedelta(minutes=1)
    max_runtime: timedelta = timedelta(minutes=30)
    failure_threshold: int = 1
    recovery_threshold: int = 1


@dataclass(frozen=True, slots=True)
class CheckIn:
    """What a job said about itself.

    Attributes:
        item_id: Of the record that it came in.
        slug: The job's name.
        check_in_id: Tells one run from another, 32 hexadecimal digits; empty for the latest run
            that is in progress.
        at: When it was received.
        duration: How long the run took, if the job says so.
        config: None if the job did not send any that can be used.
        problem: Why what it sent cannot be used; empty if it can, or if it sent none.
    """

    item_id: str
    project_id: int
    slug: str
    environment: str
    check_in_id: str
    status: RunStatus
    at: datetime
    duration: timedelta | None = None
    release: str = ""
    config: JobConfig | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Incident:
    """A job that fails in an environment, from the failure that was one too many to recovery.

    Attributes:
        labels: Of its alert, fixed when it began.
        cause: What happened, in a few words.
        is_told: Whether the alert was handed over as firing.
    """

    id: int
    kind: FailureKind
    labels: Mapping[str, str]
    cause: str
    path: str
    started_at: datetime
    ended_at: datetime | None
    is_told: bool


@dataclass(frozen=True, slots=True)
class Environment:
    """How a job is in one environment.

    Attributes:
        next_at: When the next run is expected; None where no schedule is known.
        last_at: When the latest run began.
        failures: How many runs in a row failed.
        failing_since: Since when there is an incident; None if there is none.
    """

    name: str
    status: JobStatus
    next_at: datetime | None
    last_at: datetime | None
    last_status: RunStatus | None
    failures: int
    failing_since: datetime | None
    failing_kind: FailureKind | None


@dataclass(frozen=True, slots=True)
class Job:
    """A scheduled job, in all its environments."""

    id: int
    project_id: int
    slug: str
    config: JobConfig | None
    problem: str
    is_muted: bool
    is_paused: bool
    created_at: datetime
    environments: Sequence[Environment]


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a job, or one that should have been.

    Attributes:
        expected_at: When the schedule had it begin, if that is known.
        is_late: Whether it began after the margin was over.
        was_over_time: Whether it took longer than it may, however it ended.
    """

    id: int
    environment: str
    check_in_id: str
    status: RunStatus
    started_at: datetime
    finished_at: datetime | None
    duration: timedelta | None
    expected_at: datetime | None
    is_late: bool
    was_over_time: bool
    release: str
