"""Scheduled jobs, their runs, and what is done about them."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Literal, Protocol

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict

from resumatch_monitor.api.errors import NotFoundError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.paging import DEFAULT_LIMIT, BadCursorError, Cursor, Limit, parse_cursor
from resumatch_monitor.api.parameters import on_the_loop
from resumatch_monitor.crons.model import Environment, Job, JobConfig, JobStatus, Run, RunStatus
from resumatch_monitor.crons.store import JobDesk, JobFilter, JobReader
from resumatch_monitor.kit.clock import Clock, isoformat, isoformat_or_none

_COMING = 5
_LARGEST_ID = 2**63 - 1
_Project = Annotated[int | None, Query(ge=0, le=_LARGEST_ID)]


class CronStore(JobReader, JobDesk, Protocol):
    """Shows jobs and changes them."""


@dataclass(frozen=True, slots=True)
class CronSources:
    """What the routes need.

    Attributes:
        slug_of: The slug of a project.
        on_change: Called after a change that may have ended an alert.
    """

    store: CronStore
    slug_of: Callable[[int], str]
    on_change: Callable[[], None]
    clock: Clock


@dataclass(frozen=True, slots=True)
class CronListParameters:
    """What a list of jobs is asked with; what is empty does not matter."""

    project: _Project = None
    environment: Annotated[str, Query(max_length=64)] = ""
    status: Literal["failing", "ok", "waiting", "paused", ""] = ""
    query: Annotated[str, Query(max_length=200)] = ""

    def filter(self) -> JobFilter:
        """Return which jobs are asked for."""
        return JobFilter(
            project_ids=None if self.project is None else [self.project],
            environment=self.environment or None,
            status=self.status or None,
            text=self.query.strip(),
        )


class CronChange(BaseModel):
    """What people may change of a job; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    is_muted: bool | None = None
    is_paused: bool | None = None


def build_router(*, sources: CronSources, guard: Guard) -> APIRouter:
    """Return the routes under `/api/monitor/crons`."""
    router = APIRouter(prefix="/api/monitor/crons", dependencies=[Depends(guard.viewer)])
    editor = [Depends(guard.editor)]
    store, clock = sources.store, sources.clock

    async def find(project: int, slug: str) -> Job:
        job = await store.find(project, slug) if 0 <= project <= _LARGEST_ID else None
        if job is None:
            raise NotFoundError(f"Project {project} has no job {slug[:80]!r}.")
        return job

    def render(job: Job) -> dict[str, Any]:
        return _render_job(job, sources)

    @router.get("")
    async def list_crons(
        asked: Annotated[CronListParameters, Depends(on_the_loop(CronListParameters))],
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        wanted = asked.filter()
        try:
            jobs, following = await store.page(wanted, cursor=cursor, limit=limit)
        except ValueError as error:
            raise BadCursorError from error
        summary = await store.summarise(wanted)
        return {
            "items": [_render_job(job, sources, wanted.environment) for job in jobs],
            "next_cursor": following,
            "counts": dict(summary.counts),
            "environments": list(summary.environments),
        }

    @router.get("/{project}/{slug}")
    async def get_cron(project: int, slug: str) -> dict[str, Any]:
        return render(await find(project, slug))

    @router.get("/{project}/{slug}/runs")
    async def list_runs(
        project: int,
        slug: str,
        environment: Annotated[str | None, Query(max_length=64)] = None,
        status: RunStatus | None = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        before_id = parse_cursor(cursor)
        job = await find(project, slug)
        runs = await store.runs(
            job.id,
            environment=environment,
            status=status,
            before_id=before_id,
            limit=limit + 1,
        )
        page = runs[:limit]
        return {
            "items": [_render_run(run) for run in page],
            "next_cursor": str(page[-1].id) if len(runs) > limit else None,
        }

    @router.patch("/{project}/{slug}", dependencies=editor)
    async def change_cron(project: int, slug: str, body: CronChange) -> dict[str, Any]:
        job = await find(project, slug)
        now = clock.now()
        if body.is_muted is not None:
            await store.set_muted(job.id, body.is_muted, now)
        if body.is_paused is not None:
            await store.set_paused(job.id, body.is_paused, now)
        sources.on_change()
        return render(await find(project, slug))

    @router.delete("/{project}/{slug}", dependencies=editor, status_code=HTTPStatus.NO_CONTENT)
    async def delete_cron(project: int, slug: str) -> None:
        job = await find(project, slug)
        await store.delete(job.id, clock.now())
        sources.on_change()

    return router


def _render_job(job: Job, sources: CronSources, environment: str | None = None) -> dict[str, Any]:
    statuses = {each.status for each in job.environments if environment in (None, each.name)}
    worst = next((each for each in (JobStatus.FAILING, JobStatus.OK) if each in statuses), None)
    return {
        "project_id": job.project_id,
        "project": sources.slug_of(job.project_id),
        "slug": job.slug,
        "status": "paused" if job.is_paused else (worst or JobStatus.WAITING).value,
        "config": None if job.config is None else _render_config(job.config),
        "problem": job.problem or None,
        "is_muted": job.is_muted,
        "is_paused": job.is_paused,
        "created_at": isoformat(job.created_at),
        "coming": _find_coming(job, sources.clock),
        "environments": [_render_environment(each) for each in job.environments],
    }


def _render_config(config: JobConfig) -> dict[str, Any]:
    schedule = config.schedule
    return {
        "schedule": schedule.text,
        "crontab": schedule.crontab or None,
        "timezone": schedule.zone,
        "margin_seconds": config.margin.total_seconds(),
        "max_runtime_seconds": config.max_runtime.total_seconds(),
        "failure_threshold": config.failure_threshold,
        "recovery_threshold": config.recovery_threshold,
    }


def _find_coming(job: Job, clock: Clock) -> list[str]:
    """Return the next moments of a crontab; an interval has only what its environments expect."""
    if job.config is None or job.is_paused or not job.config.schedule.crontab:
        return []
    coming: list[str] = []
    moment = clock.now()
    for _ in range(_COMING):
        following = job.config.schedule.next(moment)
        if following is None:
            break
        coming.append(isoformat(following))
        moment = following
    return coming


def _render_environment(environment: Environment) -> dict[str, Any]:
    last, kind = environment.last_status, environment.failing_kind
    return {
        "name": environment.name,
        "status": environment.status.value,
        "next_at": isoformat_or_none(environment.next_at),
        "last_at": isoformat_or_none(environment.last_at),
        "last_status": None if last is None else last.value,
        "failures": environment.failures,
        "failing_since": isoformat_or_none(environment.failing_since),
        "failing_kind": None if kind is None else kind.value,
    }


def _render_run(run: Run) -> dict[str, Any]:
    return {
        "id": str(run.id),
        "environment": run.environment,
        "check_in_id": run.check_in_id or None,
        "status": run.status.value,
        "started_at": isoformat(run.started_at),
        "finished_at": isoformat_or_none(run.finished_at),
        "duration_seconds": None if run.duration is None else run.duration.total_seconds(),
        "expected_at": isoformat_or_none(run.expected_at),
        "is_late": run.is_late,
        "was_over_time": run.was_over_time,
        "release": run.release or None,
    }
