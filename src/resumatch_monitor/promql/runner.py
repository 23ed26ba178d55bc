"""Runs queries on a bounded pool of threads, with a time-out each."""

from datetime import datetime
from typing import Protocol

from resumatch_monitor.promql.value import InstantValue, Matrix


class Querier(Protocol):
    """Answers queries without holding up the event loop."""

    async def instant(self, query: str, at: datetime) -> InstantValue:
        """Evaluate `query` at one moment.

        Raises:
            QueryError: See `promql.value` for its subclasses.
        """
        ...

    async def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
        """Evaluate `query` at `start_ms`, `start_ms + step_ms`, … up to `end_ms` inclusive.

        Raises:
            QueryError: See `promql.value` for its subclasses.
        """
        ...
