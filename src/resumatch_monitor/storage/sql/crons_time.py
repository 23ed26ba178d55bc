"""Time passes for jobs: what is missed, what is over time, and what nobody can know."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from resumatch_monitor.crons.model import FailureKind, JobConfig, RunStatus
from resumatch_monitor.crons.standing import skip
from resumatch_monitor.kit.clock import isoformat
from resumatch_monitor.storage.sql.crons import trim_runs
from resumatch_monitor.storage.sql.crons_incidents import IncidentBook, facts_of
from resumatch_monitor.storage.sql.crons_rows import decode_config
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables.release_health import (
    CRON_CLOCK,
    CRON_ENVIRONMENTS,
    CRON_JOBS,
    CRON_RUNS,
)

_BATCH = 200
_MOST_ROUNDS = 20
_JOB_COLUMNS = [
    CRON_JOBS.c[name] for name in ("project_id", "slug", "config", "is_muted", "is_paused")
]


class SqlTimekeeper:
    """Implements `crons.store.Timekeeper`."""

    def __init__(self, database: Database, incidents: IncidentBook) -> None:
        self._database = database
        self._incidents = incidents

    async def tick(self, *, now: datetime, digested_to: datetime, down_to: datetime | None) -> bool:
        """See `Timekeeper`; at most 4,000 things at once, the others the next time."""
        await self._database.write(lambda connection: _note_alive(connection, now, down_to))
        has_incidents = False
        for count in (self._count_missed, self._count_over_time):
            for _ in range(_MOST_ROUNDS):
                found, began = await self._database.write(
                    lambda connection, count=count: count(connection, digested_to)
                )
                has_incidents |= began
                if found < _BATCH:
                    break
        return has_incidents

    async def last_alive(self) -> datetime | None:
        """See `Timekeeper`."""
        return await self._database.read(
            lambda connection: connection.scalar(select(CRON_CLOCK.c.alive_at))
        )

    def _count_missed(self, connection: Connection, until: datetime) -> tuple[int, bool]:
        rows = connection.execute(
            select(CRON_ENVIRONMENTS, *_JOB_COLUMNS)
            .join(CRON_JOBS, CRON_JOBS.c.id == CRON_ENVIRONMENTS.c.job_id)
            .where(CRON_ENVIRONMENTS.c.deadline_at < until)
            .order_by(CRON_ENVIRONMENTS.c.deadline_at)
            .limit(_BATCH)
        ).all()
        began = False
        for row in rows:
            began |= self._miss(connection, row)
        return len(rows), began

    def _miss(self, connection: Connection, row: Row[Any]) -> bool:
        job = facts_of(row)
        connection.execute(
            insert(CRON_RUNS).values(
                environment_id=row.id,
                status=RunStatus.MISSED.value,
                started_at=row.next_at,
                expected_at=row.next_at,
                is_late=False,
                is_uncertain=False,
                was_over_time=False,
                release="",
            )
        )
        following = None if job.config is None else job.config.schedule.next(row.next_at)
        _expect(connection, row.id, job.config, following)
        connection.execute(
            update(CRON_ENVIRONMENTS)
            .where(CRON_ENVIRONMENTS.c.id == row.id)
            .values(missed_at=row.next_at, last_status=RunStatus.MISSED.value)
        )
        trim_runs(connection, row.id)
        return self._incidents.fail(
            connection,
            job,
            row,
            kind=FailureKind.MISSED,
            cause=f"It was expected at {isoformat(row.next_at)} and did not check in.",
            at=row.deadline_at,
        )

    def _count_over_time(self, connection: Connection, until: datetime) -> tuple[int, bool]:
        runs = connection.execute(
            select(CRON_RUNS)
            .where(CRON_RUNS.c.due_at < until)
            .order_by(CRON_RUNS.c.due_at)
            .limit(_BATCH)
        ).all()
        began = False
        for run in runs:
            began |= self._time_out(connection, run)
        return len(runs), began

    def _time_out(self, connection: Connection, run: Row[Any]) -> bool:
        status = RunStatus.UNKNOWN if run.is_uncertain else RunStatus.TIMEOUT
        connection.execute(
            update(CRON_RUNS)
            .where(CRON_RUNS.c.id == run.id)
            .values(status=status.value, due_at=None, was_over_time=not run.is_uncertain)
        )
        environment = connection.execute(
            select(CRON_ENVIRONMENTS, *_JOB_COLUMNS)
            .join(CRON_JOBS, CRON_JOBS.c.id == CRON_ENVIRONMENTS.c.job_id)
            .where(CRON_ENVIRONMENTS.c.id == run.environment_id)
        ).one()
        if environment.last_at == run.started_at:
            connection.execute(
                update(CRON_ENVIRONMENTS)
                .where(CRON_ENVIRONMENTS.c.id == environment.id)
                .values(last_status=status.value)
            )
        if run.is_uncertain:
            return False
        return self._incidents.fail(
            connection,
            facts_of(environment),
            environment,
            kind=FailureKind.OVER_TIME,
            cause=f"It began at {isoformat(run.started_at)} and has not ended.",
            at=run.due_at,
        )


def _note_alive(connection: Connection, now: datetime, down_to: datetime | None) -> None:
    since = connection.scalar(select(CRON_CLOCK.c.alive_at))
    if down_to is not None and since is not None:
        _forgive(connection, since, down_to)
    connection.execute(
        upsert(CRON_CLOCK)
        .values(id=1, alive_at=now)
        .on_conflict_do_update(index_elements=["id"], set_={"alive_at": now})
    )


def _forgive(connection: Connection, since: datetime, until: datetime) -> None:
    """Expect nothing of the time between; what came then was lost, if anything did."""
    rows = connection.execute(
        select(CRON_ENVIRONMENTS.c.id, CRON_ENVIRONMENTS.c.next_at, CRON_JOBS.c.config)
        .join(CRON_JOBS, CRON_JOBS.c.id == CRON_ENVIRONMENTS.c.job_id)
        .where(CRON_ENVIRONMENTS.c.deadline_at > since, CRON_ENVIRONMENTS.c.next_at <= until)
    ).all()
    for row in rows:
        config = decode_config(row.config)
        following = None if config is None else skip(config, row.next_at, until=until)
        _expect(connection, row.id, config, following)
    connection.execute(
        update(CRON_RUNS)
        .where(CRON_RUNS.c.due_at > since, CRON_RUNS.c.started_at <= until)
        .values(is_uncertain=True)
    )


def _expect(
    connection: Connection,
    environment_id: int,
    config: JobConfig | None,
    following: datetime | None,
) -> None:
    connection.execute(
        update(CRON_ENVIRONMENTS)
        .where(CRON_ENVIRONMENTS.c.id == environment_id)
        .values(
            next_at=following,
            deadline_at=None if following is None or config is None else following + config.margin,
        )
    )
