"""Searches of logs that people keep, for themselves or for everybody."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class TooManySearchesError(Exception):
    """Somebody keeps as many searches as there may be."""


@dataclass(frozen=True, slots=True)
class LogSearch:
    """A search that is kept.

    Attributes:
        id: 0 before it is kept.
        columns: The fields that are shown beside time and message.
        period: How far back it looks, for example `1h`; empty if that is not part of it.
        owner: Who keeps it.
        is_shared: Whether everybody sees it.
    """

    id: int
    owner: str
    name: str
    query: str
    columns: tuple[str, ...]
    period: str
    is_shared: bool
    created_at: datetime


class LogSearches(Protocol):
    """Keeps searches."""

    async def list_for(self, owner: str) -> Sequence[LogSearch]:
        """Return somebody's own and those that are shared, by name; a bounded number."""
        ...

    async def find(self, search_id: int) -> LogSearch | None:
        """Return a search; None if there is none."""
        ...

    async def add(self, search: LogSearch) -> LogSearch:
        """Keep a search; its id is given.

        Raises:
            TooManySearchesError: If its owner keeps too many.
        """
        ...

    async def replace(self, search: LogSearch) -> None:
        """Change a search; one that is gone stays gone."""
        ...

    async def delete(self, search_id: int) -> None:
        """Forget a search."""
        ...
