"""Issues, their events, and the projects that send them."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import APIRouter, Depends, Request, Response

from resumatch_monitor.api.errors import ApiError, NotFoundError
from resumatch_monitor.api.event_source_maps import EventPresenter
from resumatch_monitor.api.guard import Guard, Principal
from resumatch_monitor.api.issues_query import IssueListParameters, read_query, refusing_slow
from resumatch_monitor.api.paging import (
    DEFAULT_LIMIT,
    BadCursorError,
    Cursor,
    Limit,
    parse_number,
)
from resumatch_monitor.api.parameters import on_the_loop
from resumatch_monitor.errortracking.issues import (
    EventSummary,
    IssueDetail,
    StoredEvent,
)
from resumatch_monitor.errortracking.present import present_detail, present_issue
from resumatch_monitor.errortracking.store import IssueReader
from resumatch_monitor.kit.clock import Clock, isoformat, isoformat_or_none
from resumatch_monitor.sentry.projects import Projects, render_dsn

T = TypeVar("T")

HeirFinder = Callable[[int], Awaitable[int | None]]
"""Finds the issue into which one that is gone was merged."""


async def gone_error(issue_id: int, find_heir: HeirFinder) -> ApiError:
    """Return what to answer of an issue that is not there: 404, with where it has gone."""
    heir = await find_heir(issue_id)
    if heir is None:
        return NotFoundError(f"There is no issue {issue_id}.")
    return ApiError(
        HTTPStatus.NOT_FOUND,
        "merged",
        f"Issue {issue_id} was merged into issue {heir}.",
        details={"merged_into": str(heir)},
    )


def build_router(
    *,
    reader: IssueReader,
    projects: Projects,
    clock: Clock,
    guard: Guard,
    external_url: str,
    events: EventPresenter,
    find_heir: HeirFinder,
) -> APIRouter:
    """Return the routes of docs/http-api.md, section Issues.

    Args:
        reader: Answers what is asked.
        projects: The applications that may send.
        clock: Tells what time it is.
        guard: Lets people in.
        external_url: Where the DSNs point; if it is empty, to wherever the request came in.
        events: Renders events.
        find_heir: Finds where a merged issue has gone.
    """
    router = APIRouter(prefix="/api/monitor", tags=["issues"])
    finder = _Finder(reader, clock, find_heir)
    _add_issue_routes(router, finder, guard)
    _add_event_routes(router, finder, events, guard)
    _add_project_route(router, finder, projects, guard, external_url)
    return router


class _Finder:
    """Finds what a path names, or answers 404."""

    def __init__(self, reader: IssueReader, clock: Clock, find_heir: HeirFinder) -> None:
        self.reader = reader
        self.clock = clock
        self._find_heir = find_heir

    async def issue(self, issue_id: str) -> IssueDetail:
        detail = await self.reader.get_issue(_parse_id(issue_id), self.clock.now())
        if detail is None:
            raise await gone_error(_parse_id(issue_id), self._find_heir)
        return detail

    async def event(self, issue_id: str, event_id: str) -> StoredEvent:
        number, wanted = _parse_id(issue_id), event_id.replace("-", "")[:64]
        stored = await self.reader.get_event(number, wanted)
        if stored is None:
            raise NotFoundError(f"Issue {issue_id} has no stored event {event_id[:36]!r}.")
        return stored


def _add_issue_routes(router: APIRouter, finder: _Finder, guard: Guard) -> None:
    @router.get("/issues")
    async def list_issues(
        principal: Annotated[Principal, Depends(guard.viewer)],
        asked: Annotated[IssueListParameters, Depends(on_the_loop(IssueListParameters))],
    ) -> dict[str, Any]:
        query = read_query(asked, me=principal.name)
        page = await _answering(finder.reader.list_issues(query, finder.clock.now()))
        return {
            "items": [present_issue(issue, finder.clock.now()) for issue in page.items],
            "next_cursor": page.next_cursor,
            "total": page.total,
            "is_total_exact": page.is_total_exact,
        }

    @router.get("/issues/{issue_id}", dependencies=[Depends(guard.viewer)])
    async def get_issue(issue_id: str) -> dict[str, Any]:
        return present_detail(await finder.issue(issue_id), finder.clock.now())


def _add_event_routes(
    router: APIRouter, finder: _Finder, events: EventPresenter, guard: Guard
) -> None:
    viewer = [Depends(guard.viewer)]

    @router.get("/issues/{issue_id}/events", dependencies=viewer)
    async def list_events(
        issue_id: str,
        cursor: Cursor = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> dict[str, Any]:
        page = await _answering(
            finder.reader.list_events(_parse_id(issue_id), cursor=cursor, limit=limit)
        )
        if not page.items:
            # There may be no such issue, or none any more.
            await finder.issue(issue_id)
        return {
            "items": [_present_summary(each) for each in page.items],
            "next_cursor": page.next_cursor,
        }

    @router.get("/issues/{issue_id}/events/{event_id}", dependencies=viewer)
    async def get_event(issue_id: str, event_id: str) -> dict[str, Any]:
        return await events.present(await finder.event(issue_id, event_id))

    @router.get("/issues/{issue_id}/events/{event_id}/raw", dependencies=viewer)
    async def get_raw_event(issue_id: str, event_id: str) -> Response:
        stored = await finder.event(issue_id, event_id)
        content = orjson.dumps(stored.raw, option=orjson.OPT_INDENT_2)
        return Response(content, media_type="application/json")


def _add_project_route(
    router: APIRouter, finder: _Finder, projects: Projects, guard: Guard, external_url: str
) -> None:
    @router.get("/projects", dependencies=[Depends(guard.viewer)])
    async def list_projects(request: Request) -> dict[str, Any]:
        uses = {use.project_id: use for use in await finder.reader.project_uses()}
        base_url = external_url or str(request.base_url)
        items: list[dict[str, Any]] = []
        for project in projects.all():
            use = uses.get(project.id)
            items.append(
                {
                    "id": project.id,
                    "slug": project.slug,
                    "name": project.name or project.slug,
                    "platform": project.platform,
                    "is_provisioned": project.is_provisioned,
                    "dsn": render_dsn(project, base_url) if project.key else "",
                    "event_count": use.event_count if use is not None else 0,
                    "last_event_at": isoformat_or_none(
                        use.last_event_at if use is not None else None
                    ),
                }
            )
        return {"items": items, "next_cursor": None}


async def _answering(answer: Awaitable[T]) -> T:
    try:
        return await refusing_slow(answer)
    except ValueError as error:
        raise BadCursorError(str(error)) from error


def _parse_id(text: str) -> int:
    number = parse_number(text)
    if number is None:
        raise NotFoundError(f"There is no issue {text[:20]!r}; issues are named by numbers.")
    return number


def _present_summary(each: EventSummary) -> dict[str, Any]:
    return {
        "event_id": each.event_id,
        "occurred_at": isoformat(each.occurred_at),
        "message": each.message,
        "release": each.release,
        "environment": each.environment,
        "user": each.user,
        "kept_for": each.kept_for.name.lower() if each.kept_for else None,
    }
