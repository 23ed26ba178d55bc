"""Check-ins become runs of jobs."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from resumatch_monitor.crons.model import CheckIn, FailureKind, JobConfig, JobStatus, RunStatus
from resumatch_monitor.crons.standing import Arrival, arrive, skip
from resumatch_monitor.crons.store import MOST_ENVIRONMENTS, MOST_JOBS, MOST_RUNS, Recorded
from resumatch_monitor.sentry.items import ItemRecord
from resumatch_monitor.storage.sql.crons_incidents import IncidentBook, JobFacts, facts_of
from resumatch_monitor.storage.sql.crons_rows import encode_config
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.digested_items import keep_new
from resumatch_monitor.storage.sql.tables.release_health import (
    CRON_ENVIRONMENTS,
    CRON_JOBS,
    CRON_RUNS,
)

_FINAL = frozenset({RunStatus.OK.value, RunStatus.ERROR.value})


class SqlCheckInStore:
    """Implements `crons.store.CheckInStore`."""

    def __init__(self, database: Database, incidents: IncidentBook) -> None:
        self._database = database
        self._incidents = incidents

    async def record(self, records: Sequence[ItemRecord], check_ins: Sequence[CheckIn]) -> Recorded:
        """See `CheckInStore`."""
        return await self._database.write(
            lambda connection: self._record(connection, records, check_ins)
        )

    def _record(
        self, connection: Connection, records: Sequence[ItemRecord], check_ins: Sequence[CheckIn]
    ) -> Recorded:
        fresh = {record.item_id for record in keep_new(connection, records)}
        stored = refused = 0
        has_incidents = False
        for check_in in check_ins:
            if check_in.item_id not in fresh:
                continue
            fresh.discard(check_in.item_id)
            job = _find_job(connection, check_in)
            environment = job and _find_environment(connection, job.id, check_in.environment)
            if job is None or environment is None:
                refused += 1
                continue
            stored += 1
            has_incidents |= self._apply(connection, facts_of(job), environment, check_in)
        return Recorded(stored, refused, has_incidents)

    def _apply(
        self, connection: Connection, job: JobFacts, environment: Row[Any], check_in: CheckIn
    ) -> bool:
        run = _find_run(connection, environment.id, check_in)
        if run is not None and (run.status in _FINAL or check_in.status is RunStatus.IN_PROGRESS):
            # The beginning, told after the end; or the same told twice.
            return False
        if run is None:
            _begin(connection, job, environment, check_in)
        else:
            _finish(connection, job, environment, run, check_in)
        if check_in.status is RunStatus.OK:
            return self._incidents.succeed(connection, job, environment, check_in.at)
        was_counted = run is not None and run.status == RunStatus.TIMEOUT
        if check_in.status is RunStatus.ERROR and not was_counted:
            return self._incidents.fail(
                connection,
                job,
                environment,
                kind=FailureKind.FAILED,
                cause="The job said that it failed.",
                at=check_in.at,
            )
        return False


def _find_job(connection: Connection, check_in: CheckIn) -> Row[Any] | None:
    """Return the job's row, made or given its new configuration; None if there are too many."""
    query = select(CRON_JOBS).where(
        CRON_JOBS.c.project_id == check_in.project_id, CRON_JOBS.c.slug == check_in.slug
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        total = connection.scalar(
            select(func.count())
            .select_from(CRON_JOBS)
            .where(CRON_JOBS.c.project_id == check_in.project_id)
        )
        if (total or 0) >= MOST_JOBS:
            return None
        connection.execute(
            insert(CRON_JOBS).values(
                project_id=check_in.project_id,
                slug=check_in.slug,
                config=None,
                problem="",
                is_muted=False,
                is_paused=False,
                created_at=check_in.at,
            )
        )
        row = connection.execute(query).one()
    config = row.config if check_in.config is None else encode_config(check_in.config)
    has_said = check_in.config is not None or bool(check_in.problem)
    problem = check_in.problem if has_said else row.problem
    if (config, problem) == (row.config, row.problem):
        return row
    connection.execute(
        update(CRON_JOBS).where(CRON_JOBS.c.id == row.id).values(config=config, problem=problem)
    )
    if config != row.config and not row.is_paused:
        expect_anew(connection, row.id, check_in.config, check_in.at, keeps_due=True)
    return connection.execute(query).one()


def expect_anew(
    connection: Connection,
    job_id: int,
    config: JobConfig | None,
    at: datetime,
    *,
    keeps_due: bool = False,
) -> None:
    """Expect the next run of a job in all its environments after `at`, or none without config.

    Args:
        connection: Within a transaction.
        job_id: Whose.
        config: What is expected from now on.
        at: When.
        keeps_due: Whether what is due already stays expected. Two environments that differ in
            what they send change it with each check-in, and would put off for ever what the
            other one misses.
    """
    following = None if config is None else config.schedule.next(at)
    columns = CRON_ENVIRONMENTS.c
    expected = update(CRON_ENVIRONMENTS).where(columns.job_id == job_id)
    if keeps_due:
        expected = expected.where(or_(columns.next_at.is_(None), columns.next_at > at))
    connection.execute(
        expected.values(
            next_at=following,
            deadline_at=None if following is None or config is None else following + config.margin,
            missed_at=None,
        )
    )


def _find_environment(connection: Connection, job_id: int, name: str) -> Row[Any] | None:
    query = select(CRON_ENVIRONMENTS).where(
        CRON_ENVIRONMENTS.c.job_id == job_id, CRON_ENVIRONMENTS.c.name == name
    )
    row = connection.execute(query).one_or_none()
    if row is not None:
        return row
    total = connection.scalar(
        select(func.count())
        .select_from(CRON_ENVIRONMENTS)
        .where(CRON_ENVIRONMENTS.c.job_id == job_id)
    )
    if (total or 0) >= MOST_ENVIRONMENTS:
        return None
    connection.execute(
        insert(CRON_ENVIRONMENTS).values(
            job_id=job_id, name=name, status=JobStatus.WAITING.value, failures=0, successes=0
        )
    )
    return connection.execute(query).one()


def _find_run(connection: Connection, environment_id: int, check_in: CheckIn) -> Row[Any] | None:
    query = select(CRON_RUNS).where(CRON_RUNS.c.environment_id == environment_id)
    if check_in.check_in_id:
        wanted = bytes.fromhex(check_in.check_in_id)
        return connection.execute(query.where(CRON_RUNS.c.check_in_id == wanted)).one_or_none()
    if check_in.status is RunStatus.IN_PROGRESS:
        return None
    # Whoever has no id means the run that began last; others that never ended are over time.
    latest = connection.execute(query.order_by(CRON_RUNS.c.id.desc()).limit(1)).one_or_none()
    return latest if latest is not None and latest.status == RunStatus.IN_PROGRESS else None


def _begin(connection: Connection, job: JobFacts, environment: Row[Any], check_in: CheckIn) -> None:
    is_running = check_in.status is RunStatus.IN_PROGRESS
    started_at = check_in.at - (timedelta() if is_running else check_in.duration or timedelta())
    arrival = arrive(
        None if job.is_paused else job.config,
        next_at=environment.next_at,
        missed_at=environment.missed_at,
        started_at=started_at,
    )
    if job.config and arrival.next_at and arrival.next_at != environment.next_at:
        # A run that is told when it is over may have begun long ago: nobody missed what lies
        # between, or it was counted then.
        following = skip(job.config, arrival.next_at, until=check_in.at)
        arrival = replace(arrival, next_at=following)
    longest = None if job.config is None else job.config.max_runtime
    connection.execute(
        insert(CRON_RUNS).values(
            environment_id=environment.id,
            check_in_id=bytes.fromhex(check_in.check_in_id) or None,
            status=check_in.status.value,
            started_at=started_at,
            finished_at=None if is_running else check_in.at,
            duration_ms=None if is_running else _to_milliseconds(check_in.duration),
            due_at=started_at + longest if is_running and longest is not None else None,
            is_uncertain=False,
            was_over_time=longest is not None and (check_in.duration or timedelta()) > longest,
            release=check_in.release,
            **{key: value for key, value in asdict(arrival).items() if key != "next_at"},
        )
    )
    _note_arrival(connection, job, environment, arrival, check_in, started_at)
    trim_runs(connection, environment.id)


def _note_arrival(
    connection: Connection,
    job: JobFacts,
    environment: Row[Any],
    arrival: Arrival,
    check_in: CheckIn,
    started_at: datetime,
) -> None:
    following, config = arrival.next_at, job.config
    connection.execute(
        update(CRON_ENVIRONMENTS)
        .where(CRON_ENVIRONMENTS.c.id == environment.id)
        .values(
            next_at=following,
            deadline_at=None if following is None or config is None else following + config.margin,
            missed_at=None,
            last_at=started_at,
            last_status=check_in.status.value,
        )
    )


def _finish(
    connection: Connection,
    job: JobFacts,
    environment: Row[Any],
    run: Row[Any],
    check_in: CheckIn,
) -> None:
    duration = check_in.duration
    if duration is None:
        duration = max(timedelta(), check_in.at - run.started_at)
    longest = None if job.config is None else job.config.max_runtime
    connection.execute(
        update(CRON_RUNS)
        .where(CRON_RUNS.c.id == run.id)
        .values(
            status=check_in.status.value,
            finished_at=check_in.at,
            duration_ms=_to_milliseconds(duration),
            due_at=None,
            was_over_time=run.was_over_time or (longest is not None and duration > longest),
            release=check_in.release or run.release,
        )
    )
    connection.execute(
        update(CRON_ENVIRONMENTS)
        .where(
            CRON_ENVIRONMENTS.c.id == environment.id, CRON_ENVIRONMENTS.c.last_at <= run.started_at
        )
        .values(last_status=check_in.status.value)
    )


def trim_runs(connection: Connection, environment_id: int) -> None:
    """Delete the oldest runs of an environment that has too many."""
    oldest_kept = (
        select(CRON_RUNS.c.id)
        .where(CRON_RUNS.c.environment_id == environment_id)
        .order_by(CRON_RUNS.c.id.desc())
        .offset(MOST_RUNS)
        .limit(1)
        .scalar_subquery()
    )
    connection.execute(
        delete(CRON_RUNS).where(
            CRON_RUNS.c.environment_id == environment_id, CRON_RUNS.c.id <= oldest_kept
        )
    )


def _to_milliseconds(duration: timedelta | None) -> int | None:
    """Return a duration in whole milliseconds."""
    return None if duration is None else round(duration.total_seconds() * 1000)
