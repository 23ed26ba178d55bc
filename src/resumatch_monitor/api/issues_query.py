"""The parameters of lists of issues, and searches that cannot be read."""

from collections.abc import Awaitable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Literal, TypeVar

from fastapi import Query

from resumatch_monitor.api.errors import ApiError, BadRequestError
from resumatch_monitor.api.paging import DEFAULT_LIMIT, Cursor, Limit
from resumatch_monitor.errortracking.issues import IssueQuery, IssueSort, IssueStatus
from resumatch_monitor.errortracking.search.parser import parse_query
from resumatch_monitor.errortracking.search.query import Node, QuerySyntaxError
from resumatch_monitor.errortracking.store import SearchTooSlowError

T = TypeVar("T")

LONGEST_PARAMETER = 2_000
"""Longer than any query may be, so that the reader's own error says what is wrong."""

_DAYS = {"24h": 1, "14d": 14}


@dataclass(frozen=True, slots=True)
class IssueListParameters:
    """What a list of issues is asked with."""

    status: Literal["unresolved", "resolved", "ignored", "all", ""] = ""
    project: Annotated[int | None, Query(ge=1, lt=2**53)] = None
    query: Annotated[str, Query(max_length=LONGEST_PARAMETER)] = ""
    sort: IssueSort = IssueSort.LAST_SEEN
    trend: Literal["24h", "14d"] = "24h"
    cursor: Cursor = None
    limit: Limit = DEFAULT_LIMIT


def read_query(asked: IssueListParameters, *, me: str) -> IssueQuery:
    """Return what is asked for.

    Raises:
        ApiError: If the search cannot be read.
    """
    return IssueQuery(
        status=IssueStatus(asked.status) if asked.status not in ("", "all") else None,
        project_id=asked.project,
        search=read_search(asked.query),
        me=me,
        trend_days=_DAYS[asked.trend],
        sort=asked.sort,
        cursor=asked.cursor,
        limit=asked.limit,
    )


def read_search(text: str) -> Node | None:
    """Return what a search says.

    Raises:
        ApiError: If it cannot be read: 400 `bad_query` with `position` and `expected`.
    """
    try:
        return parse_query(text)
    except QuerySyntaxError as error:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            "bad_query",
            str(error),
            details={"position": error.position, "expected": list(error.expected)},
        ) from error


async def refusing_slow(answer: Awaitable[T]) -> T:
    """Return the answer.

    Raises:
        BadRequestError: If the search was given up.
    """
    try:
        return await answer
    except SearchTooSlowError as error:
        raise BadRequestError(str(error), code="search_too_slow") from error
