"""What completes a search of issues, searches that are kept, tags, and issues that are alike."""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator

from resumatch_monitor.api.errors import ApiError, NotFoundError
from resumatch_monitor.api.guard import Guard, Principal, Role
from resumatch_monitor.api.issues_query import LONGEST_PARAMETER, read_search, refusing_slow
from resumatch_monitor.api.paging import parse_number
from resumatch_monitor.errortracking.issues import IssueSort
from resumatch_monitor.errortracking.present import present_issue
from resumatch_monitor.errortracking.search.facets import (
    IssueFacets,
    SavedSearch,
    SavedSearches,
    SimilarIssue,
    TagDistribution,
    TooManySearchesError,
)
from resumatch_monitor.errortracking.search.fields import FIELDS
from resumatch_monitor.kit.clock import Clock, isoformat

_NAME_MAX = 80
_VALUES_SHOWN = 10


class SearchBody(BaseModel):
    """The body of `POST` and `PUT` of a search that is kept."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=_NAME_MAX)
    query: str = Field(max_length=LONGEST_PARAMETER)
    sort: IssueSort = IssueSort.LAST_SEEN
    is_shared: bool = False

    @field_validator("name")
    @classmethod
    def _strip(cls, name: str) -> str:
        stripped = name.strip()
        if not stripped:
            raise ValueError("the name is empty")
        return stripped


@dataclass(frozen=True, slots=True)
class SearchSources:
    """What the routes ask."""

    facets: IssueFacets
    saved: SavedSearches
    clock: Clock


def build_router(sources: SearchSources, guard: Guard) -> APIRouter:
    """Return the routes of docs/http-api.md, section Issues, that are about finding."""
    router = APIRouter(prefix="/api/monitor/issues", tags=["issues"])
    _add_suggestions(router, sources, guard)
    _add_saved(router, sources, guard)
    _add_tags(router, sources, guard)
    return router


def _add_suggestions(router: APIRouter, sources: SearchSources, guard: Guard) -> None:
    @router.get("/search/suggest", dependencies=[Depends(guard.viewer)])
    async def suggest(
        key: Annotated[str, Query(max_length=64)] = "",
        prefix: Annotated[str, Query(max_length=200)] = "",
    ) -> dict[str, Any]:
        if key:
            found = await sources.facets.suggest_values(key, prefix)
            values = [{"value": each.value, "issues": each.issue_count} for each in found]
            return {"keys": [], "values": values}
        lowered = prefix.lower()
        fields = [
            {"key": field.name, "kind": "field", "help": field.help}
            for field in FIELDS
            if field.name.lower().startswith(lowered)
        ]
        names = {field.name for field in FIELDS}
        tags = [
            {"key": tag, "kind": "tag", "help": ""}
            for tag in await sources.facets.suggest_keys(prefix)
            if tag not in names
        ]
        return {"keys": [*fields, *tags], "values": []}


def _add_saved(router: APIRouter, sources: SearchSources, guard: Guard) -> None:
    async def own(search_id: str, principal: Principal) -> SavedSearch:
        number = parse_number(search_id)
        found = None if number is None else await sources.saved.find(number)
        if found is None or (found.owner != principal.name and not found.is_shared):
            raise NotFoundError(f"There is no search {search_id[:20]!r}.")
        if found.owner != principal.name and principal.role is not Role.ADMIN:
            raise ApiError(
                HTTPStatus.FORBIDDEN, "not_yours", "Only whoever keeps a search changes it."
            )
        return found

    @router.get("/search/saved")
    async def list_saved(
        principal: Annotated[Principal, Depends(guard.viewer)],
    ) -> dict[str, Any]:
        found = await sources.saved.list_for(principal.name)
        return {"items": [_present(each, principal) for each in found], "next_cursor": None}

    @router.post("/search/saved", status_code=HTTPStatus.CREATED)
    async def save(
        body: SearchBody, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> dict[str, Any]:
        read_search(body.query)
        search = SavedSearch(
            id=0,
            owner=principal.name,
            name=body.name,
            query=body.query.strip(),
            sort=body.sort,
            is_shared=body.is_shared,
            created_at=sources.clock.now(),
        )
        try:
            return _present(await sources.saved.add(search), principal)
        except TooManySearchesError as error:
            raise ApiError(HTTPStatus.CONFLICT, "too_many", str(error)) from error

    @router.put("/search/saved/{search_id}")
    async def change(
        search_id: str, body: SearchBody, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> dict[str, Any]:
        found = await own(search_id, principal)
        read_search(body.query)
        changed = SavedSearch(
            id=found.id,
            owner=found.owner,
            name=body.name,
            query=body.query.strip(),
            sort=body.sort,
            is_shared=body.is_shared,
            created_at=found.created_at,
        )
        await sources.saved.replace(changed)
        return _present(changed, principal)

    @router.delete("/search/saved/{search_id}", status_code=HTTPStatus.NO_CONTENT)
    async def delete(
        search_id: str, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> Response:
        found = await own(search_id, principal)
        await sources.saved.delete(found.id)
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _add_tags(router: APIRouter, sources: SearchSources, guard: Guard) -> None:
    viewer = [Depends(guard.viewer)]

    @router.get("/{issue_id}/tags", dependencies=viewer)
    async def list_tags(issue_id: str) -> dict[str, Any]:
        found = await sources.facets.list_tags(_parse_id(issue_id), values=_VALUES_SHOWN)
        return {"items": [_present_tag(each) for each in found], "next_cursor": None}

    # A tag's name may have slashes.
    @router.get("/{issue_id}/tags/{key:path}", dependencies=viewer)
    async def get_tag(issue_id: str, key: str) -> dict[str, Any]:
        found = await sources.facets.get_tag(_parse_id(issue_id), key[:200])
        if found is None:
            raise NotFoundError(f"Issue {issue_id} has no tag {key[:64]!r}.")
        return _present_tag(found)

    @router.get("/{issue_id}/similar", dependencies=viewer)
    async def list_similar(issue_id: str) -> dict[str, Any]:
        now = sources.clock.now()
        found = await refusing_slow(sources.facets.list_similar(_parse_id(issue_id), now))
        return {"items": [_present_similar(each, now) for each in found], "next_cursor": None}


def _parse_id(text: str) -> int:
    number = parse_number(text)
    if number is None:
        raise NotFoundError(f"There is no issue {text[:20]!r}; issues are named by numbers.")
    return number


def _present(search: SavedSearch, principal: Principal) -> dict[str, Any]:
    return {
        "id": str(search.id),
        "name": search.name,
        "query": search.query,
        "sort": search.sort.value,
        "is_shared": search.is_shared,
        "owner": search.owner,
        "is_own": search.owner == principal.name,
        "created_at": isoformat(search.created_at),
    }


def _present_tag(found: TagDistribution) -> dict[str, Any]:
    total = max(1, found.use.total)
    return {
        "key": found.use.key,
        "total": found.use.total,
        "value_count": found.value_count,
        "values": [
            {"value": value, "count": count, "share": count / total}
            for value, count in found.use.values
        ],
        "other_count": found.other_count,
    }


def _present_similar(found: SimilarIssue, now: datetime) -> dict[str, Any]:
    return {
        "issue": present_issue(found.issue, now),
        "score": round(found.score, 3),
        "title_score": round(found.title_score, 3),
        "frame_score": None if found.frame_score is None else round(found.frame_score, 3),
    }
