"""Puts a diagnosis together, once a notification however many channels ask."""

import asyncio
import logging
import math
from collections import OrderedDict
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

import numpy as np

from resumatch_monitor.alerts.alert import Alert, AlertSource
from resumatch_monitor.diagnosis import wording
from resumatch_monitor.diagnosis.chart import HEIGHT, WIDTH, Line, Picture, draw_chart
from resumatch_monitor.diagnosis.sources import Errors, IssueFacts, Metrics, ProbeFacts, Probes
from resumatch_monitor.diagnosis.sparkline import render_sparkline
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.metrics.labels import METRIC_NAME, Labels
from resumatch_monitor.notify.diagnosis import NO_DIAGNOSIS, Chart, Diagnosis
from resumatch_monitor.notify.notification import Notification, NotificationKind
from resumatch_monitor.promql.condition import Condition, find_condition
from resumatch_monitor.promql.value import Matrix, QueryError

logger = logging.getLogger(__name__)

T = TypeVar("T")

_MOST_KEPT = 64
_MOST_AT_ONCE = 4
_MOST_FOR_PAGES_AT_ONCE = 2
"""Whoever looks at notifications must not leave messages without a diagnosis."""
_STEPS = 150
_SHORTEST_STEP_MS = 5_000
_FEWEST_POINTS = 2
_SHORTEST_LEAD = timedelta(minutes=45)
_LONGEST_SPAN = timedelta(hours=24)
_BEFORE = timedelta(minutes=15)
"""An issue that began so shortly before the alert may have to do with it."""
_OF_ISSUES = (AlertSource.ISSUE, AlertSource.PERFORMANCE)
_OLDEST_RELEASE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What the expression says: as characters, and as a picture."""

    sparkline: str = ""
    chart: Chart | None = None


class _Lane:
    """What is found out on one behalf: so much at once, and the latest results."""

    def __init__(self, most_at_once: int) -> None:
        self._most_at_once = most_at_once
        self._tasks: OrderedDict[str, asyncio.Task[Diagnosis]] = OrderedDict()

    @property
    def is_full(self) -> bool:
        return sum(not each.done() for each in self._tasks.values()) >= self._most_at_once

    def find(self, notification_id: str) -> asyncio.Task[Diagnosis] | None:
        return self._tasks.get(notification_id)

    def keep(self, notification_id: str, task: asyncio.Task[Diagnosis]) -> None:
        self._tasks[notification_id] = task
        while len(self._tasks) > _MOST_KEPT:
            self._tasks.popitem(last=False)


class Diagnoser:
    """Finds out about the alert that a notification begins with.

    What cannot be found out is left out. While many notifications leave at once, most go without:
    in a storm the messages matter more.
    """

    def __init__(self, *, metrics: Metrics, errors: Errors, probes: Probes) -> None:
        self._metrics = metrics
        self._errors = errors
        self._probes = probes
        self._messages = _Lane(_MOST_AT_ONCE)
        self._pages = _Lane(_MOST_FOR_PAGES_AT_ONCE)

    async def diagnose(self, notification: Notification) -> Diagnosis:
        """Return what is known; the same for every channel that the notification goes to."""
        return await self._diagnose(notification, self._messages)

    async def diagnose_for_page(self, notification: Notification) -> Diagnosis:
        """Return what is known, for somebody who looks at a notification; it delays no message."""
        return await self._diagnose(notification, self._pages)

    async def _diagnose(self, notification: Notification, lane: _Lane) -> Diagnosis:
        if not notification.alerts or notification.kind is NotificationKind.NOTICE:
            return NO_DIAGNOSIS
        task = self._messages.find(notification.id) or self._pages.find(notification.id)
        if task is None:
            if lane.is_full:
                return NO_DIAGNOSIS
            task = asyncio.create_task(self._find(notification.alerts[0], notification.created_at))
            lane.keep(notification.id, task)
        # A channel that waits no longer must not take it from the others.
        return await asyncio.shield(task)

    async def _find(self, alert: Alert, now: datetime) -> Diagnosis:
        condition = _find_condition(alert)
        since, until = alert.starts_at - _BEFORE, max(now, alert.starts_at)
        drawn, own, issue, release, probe = await asyncio.gather(
            _or_none("chart", self._draw(alert, condition, until)),
            _or_none("issue", self._find_own_issue(alert)),
            _or_none("new issue", self._find_new_issue(alert, since, until)),
            _or_none("release", self._errors.find_last_release(until)),
            _or_none("probe", self._find_probe(alert)),
        )
        if release is not None and release.first_seen_at < alert.starts_at - _OLDEST_RELEASE:
            release = None
        drawn = drawn or _Drawn()
        return Diagnosis(
            facts=(
                *wording.describe_threshold(condition),
                *wording.describe_probe(probe),
                *wording.describe_issue(own),
                *wording.describe_new_issue(issue, alert),
                *wording.describe_release(release, alert),
            ),
            todo=""
            if alert.ends_at is not None
            else wording.choose_todo(alert, release=release, issue=issue, probe=probe),
            sparkline=drawn.sparkline,
            chart=drawn.chart,
        )

    async def _find_own_issue(self, alert: Alert) -> IssueFacts | None:
        number = alert.generator_path.removeprefix("/issues/")
        if alert.source not in _OF_ISSUES or not (number.isascii() and number.isdigit()):
            return None
        return await self._errors.get_issue(int(number))

    async def _find_new_issue(
        self, alert: Alert, since: datetime, until: datetime
    ) -> IssueFacts | None:
        if alert.source in _OF_ISSUES:
            return None
        return await self._errors.find_new_issue(since, until)

    async def _find_probe(self, alert: Alert) -> ProbeFacts | None:
        name = alert.labels.get("probe", "")
        return await self._probes.find_probe(name) if name else None

    async def _draw(
        self, alert: Alert, condition: Condition | None, now: datetime
    ) -> _Drawn | None:
        if condition is None:
            return None
        begin, end = _choose_span(alert, now)
        step_ms = max((end - begin) // _STEPS, _SHORTEST_STEP_MS)
        matrix = await self._metrics.range(
            condition.expr, start_ms=begin, end_ms=end, step_ms=step_ms
        )
        lines = _to_lines(matrix, alert.labels)
        main = next((line for line in lines if line.is_main), None)
        if main is None or sum(map(math.isfinite, main.values)) < _FEWEST_POINTS:
            return None
        ended = now if alert.ends_at is None else alert.ends_at
        picture = Picture(
            times_ms=matrix.timestamps.tolist(),
            lines=lines,
            threshold=condition.threshold,
            firing_ms=(to_milliseconds(alert.starts_at), to_milliseconds(ended)),
        )
        png = await asyncio.to_thread(draw_chart, picture)
        return _Drawn(
            sparkline=render_sparkline(main.values),
            chart=Chart(png, WIDTH, HEIGHT, _describe_picture(condition, main)),
        )


async def _or_none(what: str, found: Awaitable[T]) -> T | None:
    """Return what is found; None if that fails, since the rest is worth telling."""
    try:
        return await found
    except QueryError as error:
        logger.info("no %s in a message: %s", what, error)
    except Exception:
        logger.exception("no %s in a message", what)
    return None


def _find_condition(alert: Alert) -> Condition | None:
    """Return what is drawn of an alert; None if it comes from no expression."""
    if alert.source is AlertSource.PROBE and (name := alert.labels.get("probe")):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return Condition(f'probe_duration_seconds{{probe="{escaped}"}}')
    expr = parse_qs(urlsplit(alert.generator_path).query).get("expr", [""])[0]
    if not expr:
        return None
    try:
        return find_condition(expr)
    except QueryError:
        return None


def _choose_span(alert: Alert, now: datetime) -> tuple[int, int]:
    """Return a while before the alert began until now, or until a while after it ended."""
    begin = alert.starts_at
    lead = max(_SHORTEST_LEAD, (now - begin) / 2)
    begin = max(begin - lead, now - _LONGEST_SPAN)
    return to_milliseconds(begin), to_milliseconds(now)


def _to_lines(matrix: Matrix, labels: Labels) -> list[Line]:
    """Return the series; the alert's own is the one all of whose labels it has."""
    is_own = [
        all(labels.get(name) == value for name, value in each.pairs if name != METRIC_NAME)
        for each in matrix.labels
    ]
    if not any(is_own) and len(is_own) == 1:
        is_own = [True]
    if not any(is_own):
        return []
    main = is_own.index(True)
    return [
        Line(np.where(np.isfinite(values), values, math.nan).tolist(), index == main)
        for index, values in enumerate(matrix.values)
    ]


def _describe_picture(condition: Condition, main: Line) -> str:
    values = [value for value in main.values if math.isfinite(value)]
    if not values:
        return "Chart without values"
    span = f"between {min(values):.4g} and {max(values):.4g}, lately {values[-1]:.4g}"
    limit = "" if condition.threshold is None else f"; threshold {condition.threshold:.4g}"
    return f"Chart of the expression: {span}{limit}"
