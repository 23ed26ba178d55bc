"""Projects: their keys, their settings, and what became of what they sent."""

from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from resumatch_monitor.api.errors import ApiError, NotFoundError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.paging import parse_number
from resumatch_monitor.kit.clock import Clock, isoformat, isoformat_or_none
from resumatch_monitor.sentry.categories import Category
from resumatch_monitor.sentry.config import SLUG_PATTERN, Platform
from resumatch_monitor.sentry.outcomes import Outcome, Tally
from resumatch_monitor.sentry.project_book import (
    ConflictError,
    NoSuchProjectError,
    ProjectBook,
    ProjectError,
    ProvisionedError,
)
from resumatch_monitor.sentry.projects import Project, ProjectKey, render_dsn
from resumatch_monitor.sentry.quotas import Quotas
from resumatch_monitor.sentry.scrub import Scrubber
from resumatch_monitor.sentry.settings import ProjectSettings, RateLimit, ScrubSettings

T = TypeVar("T")

_LONGEST_HOURS = 90 * 24
_HOURLY_HOURS = 7 * 24
_STATUS_OF: dict[type[ProjectError], tuple[HTTPStatus, str]] = {
    NoSuchProjectError: (HTTPStatus.NOT_FOUND, "not_found"),
    ProvisionedError: (HTTPStatus.CONFLICT, "provisioned"),
    ConflictError: (HTTPStatus.CONFLICT, "conflict"),
}

Name = Annotated[str, StringConstraints(max_length=100, strip_whitespace=True)]


class NewProject(BaseModel):
    """The body of `POST /projects`."""

    model_config = ConfigDict(extra="forbid")

    slug: str = Field(pattern=SLUG_PATTERN)
    name: Name = ""
    platform: Platform = ""
    settings: ProjectSettings = Field(default_factory=ProjectSettings)


class ProjectChange(BaseModel):
    """The body of `PATCH /projects/{id}`."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    platform: Platform | None = None
    settings: ProjectSettings | None = None


class NewKey(BaseModel):
    """The body of `POST /projects/{id}/keys`."""

    model_config = ConfigDict(extra="forbid")

    name: Name = ""
    rate_limit: RateLimit | None = None


class KeyChange(BaseModel):
    """The body of `PATCH /projects/{id}/keys/{key_id}`; a `rate_limit` of null takes it away."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    is_enabled: bool | None = None
    rate_limit: RateLimit | None = None


class ScrubTrial(BaseModel):
    """The body of `POST /projects/{id}/scrubbing/try`."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=10_000)
    scrubbing: ScrubSettings


class OutcomeReader(Protocol):
    """Reads what became of what projects sent."""

    async def read_project(
        self, project_id: int, start: datetime, end: datetime
    ) -> Sequence[Tally]:
        """Return the tallies of hours from `start` to before `end`."""
        ...


class OutcomeFlusher(Protocol):
    """Knows what is not written down yet."""

    async def flush(self) -> None:
        """Write it down."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSources:
    """What the routes are made of.

    Attributes:
        external_url: Where the DSNs point; if it is empty, to wherever the request came in.
    """

    book: ProjectBook
    quotas: Quotas
    outcomes: OutcomeReader
    ledger: OutcomeFlusher
    clock: Clock
    external_url: str


def build_router(*, sources: ProjectSources, guard: Guard) -> APIRouter:
    """Return the routes of docs/http-api.md, section Projects."""
    router = APIRouter(prefix="/api/monitor/projects", tags=["projects"])
    _add_project_routes(router, sources, guard)
    _add_key_routes(router, sources, guard)
    _add_outcome_route(router, sources, guard)
    return router


def _add_project_routes(router: APIRouter, sources: ProjectSources, guard: Guard) -> None:
    book = sources.book

    @router.post("", dependencies=[Depends(guard.editor)], status_code=HTTPStatus.CREATED)
    async def create_project(request: Request, new: NewProject) -> dict[str, Any]:
        project = await _answering(
            book.create(slug=new.slug, name=new.name, platform=new.platform, settings=new.settings)
        )
        return _present(project, sources, request)

    @router.get("/{project_id}", dependencies=[Depends(guard.viewer)])
    async def get_project(request: Request, project_id: str) -> dict[str, Any]:
        return _present(_find(book, project_id), sources, request)

    @router.patch("/{project_id}", dependencies=[Depends(guard.editor)])
    async def change_project(
        request: Request, project_id: str, change: ProjectChange
    ) -> dict[str, Any]:
        project = await _answering(
            book.change(
                _parse_id(project_id),
                name=change.name,
                platform=change.platform,
                settings=change.settings,
            )
        )
        return _present(project, sources, request)

    @router.delete("/{project_id}", dependencies=[Depends(guard.admin)])
    async def delete_project(project_id: str) -> Response:
        await _answering(book.delete(_parse_id(project_id)))
        return Response(status_code=HTTPStatus.NO_CONTENT)

    @router.post("/{project_id}/scrubbing/try", dependencies=[Depends(guard.viewer)])
    async def try_scrubbing(project_id: str, trial: ScrubTrial) -> dict[str, Any]:
        _find(book, project_id)
        scrubber = Scrubber(trial.scrubbing.keys, patterns=trial.scrubbing.patterns)
        return {"text": scrubber.clean_text(trial.text)}


def _add_key_routes(router: APIRouter, sources: ProjectSources, guard: Guard) -> None:
    book = sources.book

    @router.post(
        "/{project_id}/keys", dependencies=[Depends(guard.editor)], status_code=HTTPStatus.CREATED
    )
    async def create_key(request: Request, project_id: str, new: NewKey) -> dict[str, Any]:
        number = _parse_id(project_id)
        key = await _answering(book.add_key(number, name=new.name, rate_limit=new.rate_limit))
        return _present_key(book.get(number), key, _base_url(sources, request))

    @router.patch("/{project_id}/keys/{key_id}", dependencies=[Depends(guard.editor)])
    async def change_key(
        request: Request, project_id: str, key_id: str, change: KeyChange
    ) -> dict[str, Any]:
        number = _parse_id(project_id)
        is_unlimited = "rate_limit" in change.model_fields_set and change.rate_limit is None
        key = await _answering(
            book.change_key(
                number,
                _parse_key_id(key_id),
                name=change.name,
                is_enabled=change.is_enabled,
                rate_limit=change.rate_limit,
                is_unlimited=is_unlimited,
            )
        )
        return _present_key(book.get(number), key, _base_url(sources, request))

    @router.delete("/{project_id}/keys/{key_id}", dependencies=[Depends(guard.editor)])
    async def delete_key(project_id: str, key_id: str) -> Response:
        await _answering(book.delete_key(_parse_id(project_id), _parse_key_id(key_id)))
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _add_outcome_route(router: APIRouter, sources: ProjectSources, guard: Guard) -> None:
    @router.get("/{project_id}/outcomes", dependencies=[Depends(guard.viewer)])
    async def get_outcomes(
        project_id: str, hours: Annotated[int, Query(ge=1, le=_LONGEST_HOURS)] = 24
    ) -> dict[str, Any]:
        number = _parse_id(project_id)
        step = timedelta(hours=1) if hours <= _HOURLY_HOURS else timedelta(days=1)
        now = sources.clock.now()
        end = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        start = end - timedelta(hours=hours)
        await sources.ledger.flush()
        tallies = await sources.outcomes.read_project(number, start, end)
        return {
            "start": isoformat(start),
            "end": isoformat(end),
            "step_seconds": int(step.total_seconds()),
            "series": _sum_up(tallies, start, end, step),
        }


def _sum_up(
    tallies: Sequence[Tally], start: datetime, end: datetime, step: timedelta
) -> list[dict[str, Any]]:
    steps = -((start - end) // step)
    sums: dict[tuple[Category, Outcome, str], Counter[int]] = {}
    for tally in tallies:
        key = (tally.category, tally.outcome, tally.reason)
        sums.setdefault(key, Counter())[(tally.hour - start) // step] += tally.quantity
    return [
        {
            "category": category.value,
            "outcome": outcome.value,
            "reason": reason,
            "total": sum(counts.values()),
            "counts": [counts[index] for index in range(steps)],
        }
        for (category, outcome, reason), counts in sorted(sums.items())
    ]


async def _answering(work: Awaitable[T]) -> T:
    try:
        return await work
    except ProjectError as error:
        status, code = _STATUS_OF[type(error)]
        raise ApiError(status, code, str(error)) from error


def _find(book: ProjectBook, project_id: str) -> Project:
    try:
        return book.get(_parse_id(project_id))
    except NoSuchProjectError as error:
        raise NotFoundError(str(error)) from error


def _parse_id(text: str) -> int:
    number = parse_number(text)
    if number is None:
        raise NotFoundError(f"There is no project {text[:20]!r}; projects are named by numbers.")
    return number


def _parse_key_id(text: str) -> int:
    number = parse_number(text)
    if number is None:
        raise NotFoundError(f"There is no key {text[:20]!r}; keys are named by numbers.")
    return number


def _base_url(sources: ProjectSources, request: Request) -> str:
    return sources.external_url or str(request.base_url)


def _present(project: Project, sources: ProjectSources, request: Request) -> dict[str, Any]:
    base_url = _base_url(sources, request)
    limits = sources.quotas.describe(project, None)
    return {
        "id": project.id,
        "slug": project.slug,
        "name": project.name or project.slug,
        "platform": project.platform,
        "is_provisioned": project.is_provisioned,
        "created_at": isoformat_or_none(project.created_at),
        "dsn": render_dsn(project, base_url) if project.key else "",
        "keys": [_present_key(project, key, base_url) for key in project.keys],
        "settings": project.settings.model_dump(mode="json"),
        "limited": [
            {
                "categories": [each.value for each in limit.categories],
                "reason": limit.reason,
                "retry_after_seconds": limit.retry_after,
            }
            for limit in limits
        ],
        "spikes": [
            {
                "category": category.value,
                "usual_per_hour": round(sources.quotas.find_usual(project, category), 1),
                "limit_per_hour": sources.quotas.find_spike_limit(project, category),
            }
            for category in (Category.ERROR, Category.TRANSACTION, Category.SPAN)
        ],
    }


def _present_key(project: Project, key: ProjectKey, base_url: str) -> dict[str, Any]:
    base = base_url.rstrip("/")
    return {
        "id": str(key.id) if key.id else None,
        "public": key.public,
        "name": key.name,
        "is_enabled": key.is_enabled,
        "rate_limit": None if key.rate_limit is None else key.rate_limit.model_dump(mode="json"),
        "created_at": isoformat_or_none(key.created_at),
        "dsn": render_dsn(project, base_url, key=key.public),
        "security_url": f"{base}/api/{project.id}/security/?sentry_key={key.public}",
        "cron_url": f"{base}/api/{project.id}/cron/<monitor>/{key.public}/?status=ok",
    }
