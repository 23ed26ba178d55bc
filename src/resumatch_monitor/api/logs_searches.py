"""`/api/monitor/logs/searches`: searches that people keep, for themselves or for everybody."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from resumatch_monitor.api.errors import ApiError, NotFoundError
from resumatch_monitor.api.guard import Guard, Principal, Role
from resumatch_monitor.api.logs_query import read_query
from resumatch_monitor.api.paging import parse_number
from resumatch_monitor.kit.clock import Clock, isoformat
from resumatch_monitor.kit.durations import parse_duration
from resumatch_monitor.logs.query.lexer import MAX_QUERY_CHARACTERS
from resumatch_monitor.logs.searches import LogSearch, LogSearches, TooManySearchesError

_NAME_MAX = 80
_COLUMNS_MAX = 50
_Column = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class SearchBody(BaseModel):
    """The body of `POST` and `PUT` of a search that is kept."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=_NAME_MAX)
    query: str = Field(default="", max_length=MAX_QUERY_CHARACTERS)
    columns: list[_Column] = Field(default_factory=list[_Column], max_length=_COLUMNS_MAX)
    period: str = Field(default="", max_length=20)
    is_shared: bool = False

    @field_validator("name")
    @classmethod
    def _strip(cls, name: str) -> str:
        stripped = name.strip()
        if not stripped:
            raise ValueError("the name is empty")
        return stripped

    @field_validator("period")
    @classmethod
    def _check_period(cls, period: str) -> str:
        if period:
            parse_duration(period)
        return period


def build_router(*, searches: LogSearches, guard: Guard, clock: Clock) -> APIRouter:
    """Return the routes; viewers see, editors keep their own, admins change everybody's."""
    router = APIRouter(prefix="/api/monitor/logs/searches")
    viewer, editor = Depends(guard.viewer), Depends(guard.editor)

    async def own(search_id: str, principal: Principal) -> LogSearch:
        number = parse_number(search_id)
        found = None if number is None else await searches.find(number)
        if found is None or (found.owner != principal.name and not found.is_shared):
            raise NotFoundError(f"There is no search {search_id[:20]!r}.")
        if found.owner != principal.name and principal.role is not Role.ADMIN:
            raise ApiError(
                HTTPStatus.FORBIDDEN, "not_yours", "Only whoever keeps a search changes it."
            )
        return found

    @router.get("")
    async def list_all(principal: Annotated[Principal, viewer]) -> dict[str, Any]:
        found = await searches.list_for(principal.name)
        return {"items": [_render(each, principal) for each in found], "next_cursor": None}

    @router.post("", status_code=HTTPStatus.CREATED)
    async def add(body: SearchBody, principal: Annotated[Principal, editor]) -> dict[str, Any]:
        new = LogSearch(0, principal.name, "", "", (), "", is_shared=False, created_at=clock.now())
        try:
            return _render(await searches.add(_fill(new, body)), principal)
        except TooManySearchesError as error:
            raise ApiError(HTTPStatus.CONFLICT, "too_many", str(error)) from error

    @router.put("/{search_id}")
    async def change(
        search_id: str, body: SearchBody, principal: Annotated[Principal, editor]
    ) -> dict[str, Any]:
        changed = _fill(await own(search_id, principal), body)
        await searches.replace(changed)
        return _render(changed, principal)

    @router.delete("/{search_id}", status_code=HTTPStatus.NO_CONTENT)
    async def delete(search_id: str, principal: Annotated[Principal, editor]) -> Response:
        await searches.delete((await own(search_id, principal)).id)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return router


def _fill(search: LogSearch, body: SearchBody) -> LogSearch:
    """Return `search` as `body` has it.

    Raises:
        ApiError: If its query cannot be read.
    """
    read_query(body.query)
    return LogSearch(
        id=search.id,
        owner=search.owner,
        name=body.name,
        query=body.query.strip(),
        columns=tuple(body.columns),
        period=body.period,
        is_shared=body.is_shared,
        created_at=search.created_at,
    )


def _render(search: LogSearch, principal: Principal) -> dict[str, Any]:
    return {
        "id": str(search.id),
        "name": search.name,
        "query": search.query,
        "columns": list(search.columns),
        "period": search.period,
        "is_shared": search.is_shared,
        "owner": search.owner,
        "is_own": search.owner == principal.name,
        "created_at": isoformat(search.created_at),
    }
