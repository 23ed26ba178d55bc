"""How a job is: pure decisions about failures in a row, recovery, and what is expected next."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from resumatch_monitor.crons.model import JobConfig, JobStatus

_EARLY = timedelta(seconds=60)
_THRESHOLD_WITHOUT_CONFIG = 1


@dataclass(frozen=True, slots=True)
class Standing:
    """What is remembered of a job in an environment.

    Attributes:
        next_at: When a run is to begin next; None if that is not known.
        successes: Good runs in a row; counted up to the threshold only.
    """

    status: JobStatus = JobStatus.WAITING
    failures: int = 0
    successes: int = 0
    next_at: datetime | None = None

    def fail(self) -> "Standing":
        """Return it after one more failure."""
        return replace(self, status=JobStatus.FAILING, failures=self.failures + 1, successes=0)

    def succeed(self, config: JobConfig | None) -> "Standing":
        """Return it after a good run; a job that failed is well after as many as it needs."""
        needed = _THRESHOLD_WITHOUT_CONFIG if config is None else config.recovery_threshold
        successes = min(self.successes + 1, needed)
        is_well = self.status is not JobStatus.FAILING or successes >= needed
        return replace(
            self,
            status=JobStatus.OK if is_well else JobStatus.FAILING,
            # One good run ends a row of failures, even if it takes more to be well.
            failures=0,
            successes=successes,
        )

    def is_too_much(self, config: JobConfig | None) -> bool:
        """Tell whether the failures in a row are worth an alert."""
        needed = _THRESHOLD_WITHOUT_CONFIG if config is None else config.failure_threshold
        return self.failures >= needed


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a run that begins means to the schedule.

    Attributes:
        expected_at: Which moment of the schedule it answers; None if none is known.
        next_at: When the next one is expected.
        is_late: Whether it began after the margin was over.
    """

    expected_at: datetime | None
    next_at: datetime | None
    is_late: bool = False


def arrive(
    config: JobConfig | None,
    *,
    next_at: datetime | None,
    missed_at: datetime | None,
    started_at: datetime,
) -> Arrival:
    """Return what a run that began at `started_at` answers.

    Args:
        config: Of the job.
        next_at: What was expected.
        missed_at: The moment of the schedule that was counted as missed last, if nothing ran since.
        started_at: A minute before the expected moment is not early: clocks differ.
    """
    if config is None:
        return Arrival(None, None)
    schedule = config.schedule
    following = schedule.next(started_at)
    if next_at is None and schedule.crontab:
        next_at = following if _is_answered(config, following, started_at) else None
    if next_at is not None and _is_answered(config, next_at, started_at):
        latest = max(next_at, started_at) if schedule.crontab else started_at
        is_late = started_at > next_at + config.margin
        return Arrival(next_at, schedule.next(latest), is_late)
    # Between two moments: it makes up for the one that was missed, or nobody asked for it.
    return Arrival(
        missed_at,
        next_at if schedule.crontab and next_at is not None else following,
        missed_at is not None,
    )


def skip(config: JobConfig, next_at: datetime, *, until: datetime) -> datetime | None:
    """Return when a run is expected next, counting nothing before `until` as missed."""
    return next_at if next_at > until else config.schedule.next(until)


def _is_answered(config: JobConfig, moment: datetime | None, started_at: datetime) -> bool:
    if moment is None or started_at >= moment:
        return moment is not None
    following = config.schedule.next(moment)
    tolerance = _EARLY if following is None else min(_EARLY, (following - moment) / 4)
    return started_at >= moment - tolerance
