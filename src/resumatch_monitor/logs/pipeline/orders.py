"""Carries out what steps ordered beside the record: to count it, to make an event of it."""

import logging
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from prometheus_client import Counter

from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.logs.pipeline.counters import LogCounters
from resumatch_monitor.logs.pipeline.draft import EventOrder, Increment, Order

logger = logging.getLogger(__name__)

_MOST_EVENTS = 5_000


class EventRefusedError(Exception):
    """An event is not taken; the message says why, in a word or two."""


class EventSink(Protocol):
    """Takes events, as SDKs send them."""

    async def put(self, project: str, event: Mapping[str, Any]) -> None:
        """Take an event of the project with this slug; it is durable when this returns.

        Raises:
            EventRefusedError: If it is not taken.
        """
        ...


class Orders:
    """What is ordered while records are processed, until it is carried out."""

    def __init__(self, *, counters: LogCounters, events: EventSink, telemetry: Telemetry) -> None:
        self._counters = counters
        self._events = events
        self._waiting: deque[EventOrder] = deque()
        self._lock = threading.Lock()
        self._told: set[str] = set()
        self._outcomes = Counter(
            "resumatch_monitor_logs_events_total",
            "Events that pipelines made of log records, by what became of them.",
            ["outcome"],
            registry=telemetry.registry,
        )
        for outcome in ("taken", "refused"):
            self._outcomes.labels(outcome)

    def add(self, orders: Sequence[Order]) -> None:
        """Take orders; may be called by any thread."""
        self._counters.count(each for each in orders if isinstance(each, Increment))
        events = [each for each in orders if isinstance(each, EventOrder)]
        with self._lock:
            room = max(0, _MOST_EVENTS - len(self._waiting))
            self._waiting.extend(events[:room])
        if len(events) > room:
            self._outcomes.labels("refused").inc(len(events) - room)

    async def carry_out(self) -> None:
        """Hand the events on that are waiting; never raises because of one.

        The digest calls it before it stores the records: after a crash they are handed on again
        with the same ids, and taken for what they are.
        """
        with self._lock:
            count = len(self._waiting)
        for _ in range(count):
            order = self._waiting[0]
            try:
                await self._events.put(order.project, order.event)
            except EventRefusedError as error:
                self._outcomes.labels("refused").inc()
                self._tell(order.project, str(error))
            else:
                self._outcomes.labels("taken").inc()
            with self._lock:
                self._waiting.popleft()

    def _tell(self, project: str, reason: str) -> None:
        """Say once a project why its events are refused."""
        if project not in self._told:
            self._told.add(project)
            logger.warning("Pipelines' events for project %r are refused: %s", project, reason)
