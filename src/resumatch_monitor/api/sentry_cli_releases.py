"""Releases, their commits and their deploys, as sentry-cli and bundler plugins announce them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, AwareDatetime, Field

from resumatch_monitor.api.errors import NotFoundError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.paging import BadCursorError
from resumatch_monitor.api.sentry_cli import (
    LONGEST_VERSION,
    MOST_PROJECTS,
    ClientBody,
    Organization,
    ProjectSlug,
    build_sentry_router,
    check_version,
    find_projects,
    read_body,
    render_project,
)
from resumatch_monitor.kit.clock import Clock, isoformat, isoformat_or_none
from resumatch_monitor.releases.model import Commit, Deploy, Release, ReleaseChange
from resumatch_monitor.releases.store import MOST_COMMITS, DeployBook, NewIssues, ReleaseBook
from resumatch_monitor.sentry.projects import Projects

_PAGE = 100
_LONGEST_TEXT = 2_000
_LONGEST_NAME = 200
_MOST_COMMITS_SENT = 10_000
_EARLIEST, _LATEST = 1970, 2199
_PageCursor = Annotated[str | None, Query(max_length=2_000)]


def _check_year(moment: datetime) -> datetime:
    if not _EARLIEST <= moment.year <= _LATEST:
        raise ValueError(f"the year must be between {_EARLIEST} and {_LATEST}")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_check_year)]
WebAddress = Annotated[str, Field(max_length=2_000, pattern=r"^https?://")]


class CommitBody(ClientBody):
    """A commit as a checkout knows it."""

    id: str = Field(min_length=1, max_length=64)
    repository: str | None = None
    message: str | None = None
    author_name: str | None = None
    author_email: str | None = None
    timestamp: Moment | None = None


class RefBody(ClientBody):
    """The commit at which a repository stands in a release."""

    repository: str = Field(max_length=200)
    commit: str = Field(min_length=1, max_length=64)


class ReleaseBody(ClientBody):
    """What is announced of a release."""

    projects: list[str | int] | None = Field(default=None, max_length=MOST_PROJECTS)
    ref: str | None = Field(default=None, max_length=250)
    url: WebAddress | None = None
    date_started: Moment | None = Field(default=None, alias="dateStarted")
    date_released: Moment | None = Field(default=None, alias="dateReleased")
    commits: list[CommitBody] | None = Field(default=None, max_length=_MOST_COMMITS_SENT)
    refs: list[RefBody] | None = Field(default=None, max_length=100)

    def change(self) -> ReleaseChange:
        """Return what it says of the release itself."""
        ref = self.ref or (self.refs[0].commit if self.refs else None)
        return ReleaseChange(
            started_at=self.date_started,
            released_at=self.date_released,
            url=self.url or None,
            ref=ref,
        )


class NewReleaseBody(ReleaseBody):
    """A release that is announced for the first time, or once more."""

    version: str = Field(max_length=LONGEST_VERSION)


class DeployBody(ClientBody):
    """A release that was brought somewhere."""

    environment: str = Field(min_length=1, max_length=64)
    name: str | None = Field(default=None, max_length=200)
    url: WebAddress | None = None
    date_started: Moment | None = Field(default=None, alias="dateStarted")
    date_finished: Moment | None = Field(default=None, alias="dateFinished")
    projects: list[str | int] | None = Field(default=None, max_length=MOST_PROJECTS)


@dataclass(frozen=True, slots=True)
class ReleaseDesk:
    """What the routes of releases need."""

    releases: ReleaseBook
    deploys: DeployBook
    new_issues: NewIssues
    projects: Projects
    clock: Clock

    def ids(self, names: Sequence[str | int] | None) -> list[int]:
        """Return the numbers of the projects that are named, of all if none is."""
        if not names:
            return [each.id for each in self.projects.all()]
        return [each.id for each in find_projects(self.projects, names)]

    async def find(
        self, version: str, names: Sequence[str | int] | None = None
    ) -> Sequence[Release]:
        """Return a version of the projects that have it; 404 if none has."""
        found = await self.releases.find(self.ids(names), version)
        if not found:
            raise NotFoundError(f"There is no release {version[:80]!r}.")
        return found

    async def announce(
        self, version: str, body: ReleaseBody, names: Sequence[str | int] | None
    ) -> Sequence[Release]:
        """Make or change a release in the projects that are named."""
        ids = self.ids(names) if names else [each.project_id for each in await self.find(version)]
        announced = await self.releases.announce(ids, version, body.change(), self.clock.now())
        commits = _read_commits(body)
        if commits:
            await self.releases.set_commits(ids, version, commits)
        return announced

    async def render(self, of_projects: Sequence[Release]) -> dict[str, Any]:
        """Render a version as Sentry does; the clients refuse one that lacks a field."""
        version = of_projects[0].version
        ids = [each.project_id for each in of_projects]
        counts = await self.new_issues.count_new_issues(of_projects)
        deploys = await self.deploys.deploys(ids, version, limit=1)
        return {
            **_render_release(of_projects, self.projects, sum(counts.values())),
            "lastDeploy": _render_deploy(deploys[0]) if deploys else None,
        }

    async def render_each(self, releases: Sequence[Release]) -> list[dict[str, Any]]:
        """Render a list of releases, each of one project."""
        counts = await self.new_issues.count_new_issues(releases)
        return [
            _render_release([each], self.projects, counts.get((each.project_id, each.version), 0))
            for each in releases
        ]


def build_router(*, desk: ReleaseDesk, guard: Guard) -> APIRouter:
    """Return the routes of releases and deploys under `/api/0`."""
    router = build_sentry_router(guard)
    _add_announcing(router, desk)
    _add_reading(router, desk)
    _add_deploys(router, desk)
    return router


def _add_announcing(router: APIRouter, desk: ReleaseDesk) -> None:
    async def announce_new(request: Request, project: str | None) -> Response:
        body = await read_body(request, NewReleaseBody)
        version = check_version(body.version)
        names = [project] if project is not None else body.projects
        find_projects(desk.projects, names or [])
        announced = await desk.announce(version, body, names)
        return JSONResponse(await desk.render(announced), status_code=HTTPStatus.CREATED)

    async def change(request: Request, version: str, project: str | None) -> dict[str, Any]:
        body = await read_body(request, ReleaseBody)
        names = [project] if project is not None else body.projects
        return await desk.render(await desk.announce(check_version(version), body, names))

    @router.post("/organizations/{organization}/releases/")
    async def post_release(request: Request, organization: Organization) -> Response:
        del organization
        return await announce_new(request, None)

    @router.post("/projects/{organization}/{project}/releases/")
    async def post_project_release(
        request: Request, organization: Organization, project: ProjectSlug
    ) -> Response:
        del organization
        return await announce_new(request, project)

    @router.put("/organizations/{organization}/releases/{version}/")
    async def put_release(
        request: Request, organization: Organization, version: str
    ) -> dict[str, Any]:
        del organization
        return await change(request, version, None)

    @router.put("/projects/{organization}/{project}/releases/{version}/")
    async def put_project_release(
        request: Request, organization: Organization, project: ProjectSlug, version: str
    ) -> dict[str, Any]:
        del organization
        return await change(request, version, project)

    @router.delete("/organizations/{organization}/releases/{version}/", status_code=204)
    async def delete_release(organization: Organization, version: str) -> None:
        del organization
        if not await desk.releases.delete(desk.ids(None), version):
            raise NotFoundError(f"There is no release {version[:80]!r}.")

    @router.delete("/projects/{organization}/{project}/releases/{version}/", status_code=204)
    async def delete_project_release(
        organization: Organization, project: ProjectSlug, version: str
    ) -> None:
        del organization
        if not await desk.releases.delete(desk.ids([project]), version):
            raise NotFoundError(f"There is no release {version[:80]!r}.")


def _add_reading(router: APIRouter, desk: ReleaseDesk) -> None:
    async def list_some(names: Sequence[str | int] | None, cursor: str | None) -> Response:
        ids = desk.ids(names)
        try:
            page = await desk.releases.page(ids, cursor=cursor or None, limit=_PAGE)
        except ValueError as error:
            raise BadCursorError(str(error)) from error
        items = await desk.render_each(page.items)
        return JSONResponse(items, headers=_link_header(page.next_cursor))

    @router.get("/organizations/{organization}/releases/")
    async def list_releases(organization: Organization, cursor: _PageCursor = None) -> Response:
        del organization
        return await list_some(None, cursor)

    @router.get("/projects/{organization}/{project}/releases/")
    async def list_project_releases(
        organization: Organization, project: ProjectSlug, cursor: _PageCursor = None
    ) -> Response:
        del organization
        return await list_some([project], cursor)

    @router.get("/organizations/{organization}/releases/{version}/")
    async def get_release(organization: Organization, version: str) -> dict[str, Any]:
        del organization
        return await desk.render(await desk.find(version))

    @router.get("/projects/{organization}/{project}/releases/{version}/")
    async def get_project_release(
        organization: Organization, project: ProjectSlug, version: str
    ) -> dict[str, Any]:
        del organization
        return await desk.render(await desk.find(version, [project]))

    @router.get("/organizations/{organization}/releases/{version}/previous-with-commits/")
    async def get_previous(organization: Organization, version: str) -> dict[str, Any]:
        # Without one, clients send the commits of the checkout.
        del organization, version
        return {}

    @router.get("/organizations/{organization}/releases/{version}/commits/")
    async def list_commits(organization: Organization, version: str) -> list[dict[str, Any]]:
        del organization
        found = await desk.find(version)
        commits = await desk.releases.commits(found[0].project_id, version, limit=_PAGE)
        return [_render_commit(each) for each in commits]


def _add_deploys(router: APIRouter, desk: ReleaseDesk) -> None:
    @router.post("/organizations/{organization}/releases/{version}/deploys/")
    async def post_deploy(request: Request, organization: Organization, version: str) -> Response:
        del organization
        body = await read_body(request, DeployBody)
        found = await desk.find(check_version(version), body.projects)
        now = desk.clock.now()
        deploys = await desk.deploys.add_deploys(
            [
                Deploy(
                    id=0,
                    project_id=each.project_id,
                    version=version,
                    environment=body.environment,
                    finished_at=body.date_finished or now,
                    created_at=now,
                    name=body.name,
                    url=body.url,
                    started_at=body.date_started,
                )
                for each in found
            ]
        )
        return JSONResponse(_render_deploy(deploys[0]), status_code=HTTPStatus.CREATED)

    @router.get("/organizations/{organization}/releases/{version}/deploys/")
    async def list_deploys(organization: Organization, version: str) -> list[dict[str, Any]]:
        del organization
        found = await desk.find(version)
        ids = [each.project_id for each in found]
        return [
            _render_deploy(each) for each in await desk.deploys.deploys(ids, version, limit=_PAGE)
        ]


def _read_commits(body: ReleaseBody) -> list[Commit]:
    if body.commits is not None:
        return [
            Commit(
                sha=each.id,
                repository=(each.repository or "")[:_LONGEST_NAME],
                message=(each.message or "")[:_LONGEST_TEXT],
                author_name=(each.author_name or "")[:_LONGEST_NAME],
                author_email=(each.author_email or "")[:_LONGEST_NAME],
                committed_at=each.timestamp,
            )
            for each in body.commits[:MOST_COMMITS]
        ]
    return [Commit(sha=each.commit, repository=each.repository) for each in body.refs or ()]


def _render_release(
    of_projects: Sequence[Release], projects: Projects, new_count: int
) -> dict[str, Any]:
    first = of_projects[0]
    names = {each.id: each for each in projects.all()}
    return {
        "version": first.version,
        "shortVersion": first.version,
        "status": "open",
        "ref": first.ref,
        "url": first.url,
        "dateCreated": isoformat(min(each.created_at for each in of_projects)),
        "dateStarted": isoformat_or_none(first.started_at),
        "dateReleased": isoformat_or_none(_latest(each.released_at for each in of_projects)),
        "projects": [
            render_project(names[each.project_id])
            for each in of_projects
            if each.project_id in names
        ],
        "authors": [],
        "newGroups": new_count,
    }


def _latest(moments: Any) -> datetime | None:
    return max((each for each in moments if each is not None), default=None)


def _render_deploy(deploy: Deploy) -> dict[str, Any]:
    return {
        "id": str(deploy.id),
        "environment": deploy.environment,
        "name": deploy.name,
        "url": deploy.url,
        "dateStarted": isoformat_or_none(deploy.started_at),
        "dateFinished": isoformat(deploy.finished_at),
    }


def _render_commit(commit: Commit) -> dict[str, Any]:
    return {
        "id": commit.sha,
        "message": commit.message,
        "dateCreated": isoformat_or_none(commit.committed_at),
        "author": {"name": commit.author_name, "email": commit.author_email},
        "repository": {"name": commit.repository},
    }


def _link_header(next_cursor: str | None) -> dict[str, str]:
    """Return how Sentry tells of the next page; clients look at nothing else."""
    if next_cursor is None:
        return {}
    return {"Link": f'<>; rel="next"; results="true"; cursor="{next_cursor}"'}
