"""The parameters by which records are chosen, the same in every route about logs."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from resumatch_monitor.api.errors import ApiError, BadRequestError
from resumatch_monitor.api.timerange import parse_time
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.logs.query.lexer import MAX_QUERY_CHARACTERS, QueryError
from resumatch_monitor.logs.query.parser import parse_query
from resumatch_monitor.logs.query.tree import Node
from resumatch_monitor.logs.store import LogQuery

LARGEST_SEQ = 2**62
_LONGEST_TIME = 64


class LogSearch(BaseModel):
    """What is searched for, and in which stretch of time."""

    model_config = ConfigDict(extra="ignore")

    query: str = Field(default="", max_length=MAX_QUERY_CHARACTERS)
    from_: str = Field(default="now-1h", alias="from", max_length=_LONGEST_TIME)
    to: str = Field(default="now", max_length=_LONGEST_TIME)

    def to_query(self, clock: Clock) -> LogQuery:
        """Return what is meant.

        Raises:
            ApiError: If the query or a time cannot be read.
        """
        from_ms = parse_time(self.from_ or "now-1h", clock=clock, name="from")
        # What is of this very moment belongs to it.
        to_ms = parse_time(self.to or "now", clock=clock, name="to") + 1
        if from_ms >= to_ms:
            raise BadRequestError("from is after to")
        return LogQuery(read_query(self.query), start_us=from_ms * 1_000, end_us=to_ms * 1_000)


Search = Annotated[LogSearch, Query()]


def read_query(text: str) -> Node:
    """Return what the text of a query asks for.

    Raises:
        ApiError: 400 with the position of the character that cannot be read.
    """
    try:
        return parse_query(text)
    except QueryError as error:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            "invalid_query",
            f"The query cannot be read at character {error.position + 1}: {error}.",
            details={"position": error.position},
        ) from error
