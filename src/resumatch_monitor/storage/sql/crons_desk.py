"""Jobs as people see and change them, and the incidents that are to be told."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
    update,
)

from resumatch_monitor.crons.model import Environment, Incident, Job, Run, RunStatus
from resumatch_monitor.crons.store import JOB_STATES, JobFilter, JobSummary
from resumatch_monitor.storage.sql.crons import expect_anew
from resumatch_monitor.storage.sql.crons_incidents import end_incident
from resumatch_monitor.storage.sql.crons_rows import (
    decode_config,
    to_environment,
    to_incident,
    to_run,
)
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables.release_health import (
    CRON_ENVIRONMENTS,
    CRON_INCIDENTS,
    CRON_JOBS,
    CRON_RUNS,
)

_DELETED_AT_ONCE = 1_000
_ENVIRONMENTS_SHOWN = 100


class SqlJobDesk:
    """Implements `JobReader`, `JobDesk` and `IncidentBacklog` of `crons.store`."""

    def __init__(self, database: Database, *, retention: timedelta) -> None:
        self._database = database
        self._retention = retention

    async def page(
        self, wanted: JobFilter, *, cursor: str | None, limit: int
    ) -> tuple[Sequence[Job], str | None]:
        """See `JobReader`."""
        columns = (CRON_JOBS.c.project_id, CRON_JOBS.c.slug)
        query = select(CRON_JOBS.c.id).where(*_conditions(wanted)).order_by(*columns)
        if wanted.status is not None:
            query = query.where(_status(wanted.environment) == wanted.status)
        if cursor:
            query = query.where(tuple_(*columns) > tuple_(*_parse_cursor(cursor)))

        def read(connection: Connection) -> list[Job]:
            return _load_jobs(connection, list(connection.scalars(query.limit(limit + 1))))

        jobs = await self._database.read(read)
        page = jobs[:limit]
        is_last = len(jobs) <= limit
        return page, None if is_last else f"{page[-1].project_id}:{page[-1].slug}"

    async def summarise(self, wanted: JobFilter) -> JobSummary:
        """See `JobReader`."""
        status = _status(wanted.environment).label("status")
        of_jobs = select(status).where(*_conditions(wanted)).subquery()
        counts = select(of_jobs.c.status, func.count().label("jobs")).group_by(of_jobs.c.status)
        names = (
            select(CRON_ENVIRONMENTS.c.name)
            .distinct()
            .join(CRON_JOBS, CRON_JOBS.c.id == CRON_ENVIRONMENTS.c.job_id)
            .where(*_conditions(replace(wanted, environment=None)))
            .order_by(CRON_ENVIRONMENTS.c.name)
            .limit(_ENVIRONMENTS_SHOWN)
        )

        def read(connection: Connection) -> JobSummary:
            found = {row.status: row.jobs for row in connection.execute(counts)}
            return JobSummary(
                {state: found.get(state, 0) for state in JOB_STATES},
                list(connection.scalars(names)),
            )

        return await self._database.read(read)

    async def find(self, project_id: int, slug: str) -> Job | None:
        """See `JobReader`."""
        query = select(CRON_JOBS.c.id).where(
            CRON_JOBS.c.project_id == project_id, CRON_JOBS.c.slug == slug
        )
        jobs = await self._database.read(
            lambda connection: _load_jobs(connection, list(connection.scalars(query)))
        )
        return jobs[0] if jobs else None

    async def runs(
        self,
        job_id: int,
        *,
        environment: str | None = None,
        status: RunStatus | None = None,
        before_id: int | None,
        limit: int,
    ) -> Sequence[Run]:
        """See `JobReader`."""
        query = (
            select(CRON_RUNS, CRON_ENVIRONMENTS.c.name.label("environment"))
            .join(CRON_ENVIRONMENTS, CRON_ENVIRONMENTS.c.id == CRON_RUNS.c.environment_id)
            .where(CRON_ENVIRONMENTS.c.job_id == job_id)
            .order_by(CRON_RUNS.c.id.desc())
            .limit(limit)
        )
        if environment is not None:
            query = query.where(CRON_ENVIRONMENTS.c.name == environment)
        if status is not None:
            query = query.where(CRON_RUNS.c.status == status.value)
        if before_id is not None:
            query = query.where(CRON_RUNS.c.id < before_id)
        return await self._database.read(
            lambda connection: [to_run(row) for row in connection.execute(query)]
        )

    async def set_muted(self, job_id: int, muted: bool, at: datetime) -> None:
        """See `JobDesk`."""

        def change(connection: Connection) -> None:
            connection.execute(
                update(CRON_JOBS).where(CRON_JOBS.c.id == job_id).values(is_muted=muted)
            )
            if muted:
                _end_all(connection, job_id, at)

        await self._database.write(change)

    async def set_paused(self, job_id: int, paused: bool, at: datetime) -> None:
        """See `JobDesk`."""

        def change(connection: Connection) -> None:
            row = connection.execute(select(CRON_JOBS).where(CRON_JOBS.c.id == job_id)).first()
            if row is None or row.is_paused == paused:
                return
            connection.execute(
                update(CRON_JOBS).where(CRON_JOBS.c.id == job_id).values(is_paused=paused)
            )
            expect_anew(connection, job_id, None if paused else decode_config(row.config), at)
            if paused:
                _end_all(connection, job_id, at)

        await self._database.write(change)

    async def delete(self, job_id: int, at: datetime) -> None:
        """See `JobDesk`."""

        def forget(connection: Connection) -> None:
            _end_all(connection, job_id, at)
            connection.execute(delete(CRON_JOBS).where(CRON_JOBS.c.id == job_id))

        await self._database.write(forget)

    async def untold(self, limit: int) -> Sequence[Incident]:
        """See `IncidentBacklog`."""
        query = (
            select(CRON_INCIDENTS)
            .where(
                CRON_INCIDENTS.c.is_end_told.is_(False),
                or_(CRON_INCIDENTS.c.is_told.is_(False), CRON_INCIDENTS.c.ended_at.is_not(None)),
            )
            .order_by(CRON_INCIDENTS.c.id)
            .limit(limit)
        )
        return await self._database.read(
            lambda connection: [to_incident(row) for row in connection.execute(query)]
        )

    async def mark_told(self, incident: Incident) -> None:
        """See `IncidentBacklog`."""
        statement = (
            update(CRON_INCIDENTS)
            .where(CRON_INCIDENTS.c.id == incident.id)
            .values(is_told=True, is_end_told=incident.ended_at is not None)
        )
        await self._database.write(lambda connection: connection.execute(statement))

    async def expire(self, now: datetime) -> int:
        """Delete some of the runs and incidents that are too old; return how many."""
        before = now - self._retention

        def forget(connection: Connection) -> int:
            runs = select(CRON_RUNS.c.id).where(CRON_RUNS.c.started_at < before)
            ended = select(CRON_INCIDENTS.c.id).where(
                CRON_INCIDENTS.c.ended_at < before, CRON_INCIDENTS.c.is_end_told.is_(True)
            )
            return sum(
                connection.execute(
                    delete(table).where(table.c.id.in_(old.limit(_DELETED_AT_ONCE)))
                ).rowcount
                for table, old in ((CRON_RUNS, runs), (CRON_INCIDENTS, ended))
            )

        return await self._database.write(forget)


def _conditions(wanted: JobFilter) -> list[ColumnElement[bool]]:
    """Return what holds of the jobs, but for their status."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.project_ids is not None:
        conditions.append(CRON_JOBS.c.project_id.in_(wanted.project_ids))
    if wanted.environment is not None:
        conditions.append(_runs_in(CRON_ENVIRONMENTS.c.name == wanted.environment))
    if wanted.text:
        conditions.append(CRON_JOBS.c.slug.icontains(wanted.text, autoescape=True))
    return conditions


def _status(environment: str | None) -> ColumnElement[str]:
    """Return the status of a job as a whole, or in one environment."""
    here = [] if environment is None else [CRON_ENVIRONMENTS.c.name == environment]
    return case(
        (CRON_JOBS.c.is_paused.is_(True), "paused"),
        *(
            (_runs_in(CRON_ENVIRONMENTS.c.status == status, *here), status)
            for status in ("failing", "ok")
        ),
        else_="waiting",
    )


def _runs_in(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(CRON_ENVIRONMENTS.c.job_id == CRON_JOBS.c.id, *conditions)


def _load_jobs(connection: Connection, job_ids: Sequence[int]) -> list[Job]:
    environments: dict[int, list[Environment]] = {}
    query = (
        select(
            CRON_ENVIRONMENTS,
            CRON_INCIDENTS.c.started_at.label("failing_since"),
            CRON_INCIDENTS.c.kind.label("failing_kind"),
        )
        .outerjoin(CRON_INCIDENTS, CRON_INCIDENTS.c.id == CRON_ENVIRONMENTS.c.incident_id)
        .where(CRON_ENVIRONMENTS.c.job_id.in_(job_ids))
        .order_by(CRON_ENVIRONMENTS.c.name)
    )
    for row in connection.execute(query):
        environments.setdefault(row.job_id, []).append(to_environment(row))
    jobs = select(CRON_JOBS).where(CRON_JOBS.c.id.in_(job_ids))
    return [
        Job(
            id=row.id,
            project_id=row.project_id,
            slug=row.slug,
            config=decode_config(row.config),
            problem=row.problem,
            is_muted=row.is_muted,
            is_paused=row.is_paused,
            created_at=row.created_at,
            environments=environments.get(row.id, []),
        )
        for row in connection.execute(jobs.order_by(CRON_JOBS.c.project_id, CRON_JOBS.c.slug))
    ]


def _end_all(connection: Connection, job_id: int, at: datetime) -> None:
    of_job = CRON_ENVIRONMENTS.c.job_id == job_id
    open_ones = select(CRON_ENVIRONMENTS.c.incident_id).where(
        of_job, CRON_ENVIRONMENTS.c.incident_id.is_not(None)
    )
    for incident_id in connection.scalars(open_ones).all():
        end_incident(connection, incident_id, at)
    connection.execute(update(CRON_ENVIRONMENTS).where(of_job).values(incident_id=None))


def _parse_cursor(cursor: str) -> tuple[int, str]:
    project_id, separator, slug = cursor.partition(":")
    if not separator or not project_id.isascii() or not project_id.isdigit():
        raise ValueError("the cursor is not one of this list's")
    if len(project_id) > 18:
        raise ValueError("the cursor is not one of this list's")
    return int(project_id), slug
