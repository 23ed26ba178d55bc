"""When a query must have ended."""

import threading
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.promql.engine import Answer
from resumatch_monitor.promql.value import QueryTimeoutError

ValueT = TypeVar("ValueT")


class Deadline:
    """Raises once time is up or nobody waits for the result any more."""

    def __init__(self, clock: Clock, limit: timedelta, is_stopping: threading.Event) -> None:
        self._clock = clock
        self._is_stopping = is_stopping
        self._arrived = clock.monotonic()
        self._at = self._arrived + limit.total_seconds()
        self._seconds = limit.total_seconds()
        self._waited_seconds: float | None = None
        self._ended: float | None = None
        self._is_cancelled = threading.Event()

    @property
    def message(self) -> str:
        """What the query's error says, in Prometheus' words."""
        where = "query queue" if self._waited_seconds is None else "expression evaluation"
        return f"query timed out in {where} after {self._seconds:g} seconds"

    def begin(self) -> None:
        """Take the query out of the queue, unless its time is up."""
        self.check()
        self._waited_seconds = self._clock.monotonic() - self._arrived

    def end(self) -> None:
        """Note that the query is no longer worked on."""
        self._ended = self._clock.monotonic()

    @property
    def busy_seconds(self) -> float:
        """For how long the query was worked on."""
        if self._waited_seconds is None:
            return 0.0
        ended = self._clock.monotonic() if self._ended is None else self._ended
        return ended - self._arrived - self._waited_seconds

    def add_waiting(self, answer: Answer[ValueT]) -> Answer[ValueT]:
        """Put into an answer's statistics how long the query waited."""
        statistics = replace(answer.statistics, queue_seconds=self._waited_seconds or 0.0)
        return replace(answer, statistics=statistics)

    def check(self) -> None:
        if self._is_stopping.is_set():
            raise QueryTimeoutError("the monitor is shutting down")
        if self._is_cancelled.is_set() or self._clock.monotonic() > self._at:
            raise QueryTimeoutError(self.message)

    def cancel(self) -> None:
        self._is_cancelled.set()
