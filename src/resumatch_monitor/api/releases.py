"""Releases and how healthy they are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from resumatch_monitor.api.errors import NotFoundError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.paging import DEFAULT_LIMIT, Cursor, Limit, parse_cursor
from resumatch_monitor.api.parameters import on_the_loop
from resumatch_monitor.kit.clock import Clock, isoformat, isoformat_or_none, to_milliseconds
from resumatch_monitor.releases.health import (
    Health,
    HealthReader,
    ReleaseFilter,
    ReleaseSummary,
)
from resumatch_monitor.releases.model import Deploy, Release
from resumatch_monitor.releases.store import DeployBook, NewIssues

_LARGEST_ID = 2**63 - 1
_MOST_HOURS = 90 * 24
_MOST_HOURS_OF_LIST = 7 * 24
_MOST_DEPLOYS = 50
_Project = Annotated[int | None, Query(ge=0, le=_LARGEST_ID)]
_Hours = Annotated[int, Query(ge=1, le=_MOST_HOURS)]
_HoursOfList = Annotated[int, Query(ge=1, le=_MOST_HOURS_OF_LIST)]


@dataclass(frozen=True, slots=True)
class ReleaseSources:
    """What the routes need; `slug_of` returns the slug of a project."""

    reader: HealthReader
    new_issues: NewIssues
    deploys: DeployBook
    slug_of: Callable[[int], str]
    clock: Clock


@dataclass(frozen=True, slots=True)
class ReleaseListParameters:
    """What a list of releases is asked with; what is empty does not matter."""

    project: _Project = None
    environment: Annotated[str, Query(max_length=64)] = ""
    status: Literal["in_use", ""] = ""
    query: Annotated[str, Query(max_length=250)] = ""
    hours: _HoursOfList = 24


def build_router(*, sources: ReleaseSources, guard: Guard) -> APIRouter:
    """Return the routes under `/api/monitor/releases`."""
    router = APIRouter(prefix="/api/monitor/releases", dependencies=[Depends(guard.viewer)])
    reader = sources.reader

    async def describe(
        releases: Sequence[ReleaseSummary], since: datetime, environment: str | None
    ) -> list[dict[str, Any]]:
        project_ids = sorted({each.project_id for each in releases})
        health = await reader.health(releases, since=since, environment=environment)
        totals = await reader.count_sessions(project_ids, since=since, environment=environment)
        regressed = await reader.count_regressed(releases)
        new = await sources.new_issues.count_new_issues(
            [Release(each.project_id, each.version, each.first_seen_at) for each in releases]
        )
        return [
            {
                "project_id": each.project_id,
                "project": sources.slug_of(each.project_id),
                "version": each.version,
                "first_seen_at": isoformat(each.first_seen_at),
                "new_issues": new.get(_key(each), 0),
                "regressed_issues": regressed.get(_key(each), 0),
                "health": _render_health(health.get(_key(each), Health())),
                "adoption": _find_adoption(each, health, totals),
            }
            for each in releases
        ]

    @router.get("")
    async def list_releases(
        asked: Annotated[ReleaseListParameters, Depends(on_the_loop(ReleaseListParameters))],
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        offset = parse_cursor(cursor) or 0
        since = sources.clock.now() - timedelta(hours=asked.hours)
        environment = asked.environment or None
        wanted = ReleaseFilter(
            project_id=asked.project,
            text=asked.query.strip(),
            in_use_since=since if asked.status == "in_use" else None,
            environment=environment,
        )
        found = await reader.list_releases(wanted, offset=offset, limit=limit + 1)
        return {
            "items": await describe(found[:limit], since, environment),
            "next_cursor": str(offset + limit) if len(found) > limit else None,
            "environments": list(await reader.list_environments(asked.project, since=since)),
        }

    @router.get("/{project}/{version:path}")
    async def get_release(project: int, version: str, hours: _Hours = 24) -> dict[str, Any]:
        found = await reader.find_release(project, version) if 0 <= project <= _LARGEST_ID else None
        if found is None:
            raise NotFoundError(f"Project {project} has no release {version[:80]!r}.")
        since = sources.clock.now() - timedelta(hours=hours)
        (item,) = await describe([found], since, None)
        detail = await reader.by_hour(project, version, since=since)
        deploys = await sources.deploys.deploys([project], version, limit=_MOST_DEPLOYS)
        return {
            **item,
            "t": [to_milliseconds(hour) for hour in detail.hours],
            "is_cut": detail.is_cut,
            "series": {
                "total": [each.total for each in detail.hours.values()],
                "crashed": [each.crashed for each in detail.hours.values()],
            },
            "environments": [
                {"name": name, "health": _render_health(each)}
                for name, each in sorted(detail.environments.items())
            ],
            "deploys": [_render_deploy(each) for each in deploys],
        }

    return router


def _key(release: ReleaseSummary) -> tuple[int, str]:
    return release.project_id, release.version


def _find_adoption(
    release: ReleaseSummary,
    health: Mapping[tuple[int, str], Health],
    totals: Mapping[int, int],
) -> float | None:
    of_all = totals.get(release.project_id, 0)
    return health.get(_key(release), Health()).total / of_all if of_all else None


def _render_health(health: Health) -> dict[str, Any]:
    return {
        "sessions": health.total,
        "errored": health.errored,
        "abnormal": health.abnormal,
        "crashed": health.crashed,
        "users": health.users,
        "crash_free_sessions": health.crash_free_sessions,
        "crash_free_users": health.crash_free_users,
    }


def _render_deploy(deploy: Deploy) -> dict[str, Any]:
    return {
        "environment": deploy.environment,
        "name": deploy.name,
        "url": deploy.url,
        "started_at": isoformat_or_none(deploy.started_at),
        "finished_at": isoformat(deploy.finished_at),
    }
