"""Joins the diagnosis with what it asks and with who reads it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from resumatch_monitor.diagnosis.diagnoser import Diagnoser
from resumatch_monitor.diagnosis.sources import ProbeFacts
from resumatch_monitor.notify.context import NotifierContext
from resumatch_monitor.notify.diagnosis import Diagnosis
from resumatch_monitor.notify.notification import Notification
from resumatch_monitor.notify.text import render_text
from resumatch_monitor.probes.identity import make_probe_id
from resumatch_monitor.probes.outage import ProbeStatus
from resumatch_monitor.probes.reader import ProbeReader
from resumatch_monitor.promql.runner import QueryRunner
from resumatch_monitor.promql.value import Matrix
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.diagnosis import SqlDiagnosisErrors

_QUERY_TIMEOUT = timedelta(seconds=2.5)
"""Less than a message waits."""


def build_diagnoser(*, queries: QueryRunner, database: Database, probes: ProbeReader) -> Diagnoser:
    """Return what finds out about alerts."""
    return Diagnoser(
        metrics=_Metrics(queries), errors=SqlDiagnosisErrors(database), probes=_Probes(probes)
    )


def build_message_renderer(
    context: NotifierContext, *, diagnose: Callable[[Notification], Awaitable[Diagnosis]]
) -> Callable[[Notification], Awaitable[str]]:
    """Return what renders a notification for the pages, which anybody reads: no link acts.

    Args:
        context: Of those that send it.
        diagnose: Finds out why, and delays no message.
    """
    context = replace(context, diagnose=diagnose)

    async def render(notification: Notification) -> str:
        diagnosis = await context.find_diagnosis(notification)
        return render_text(notification, diagnosis, context.links)

    return render


class _Metrics:
    def __init__(self, queries: QueryRunner) -> None:
        self._queries = queries

    async def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
        return await self._queries.run_range(
            query,
            start_ms=start_ms,
            end_ms=end_ms,
            step_ms=step_ms,
            render=lambda answer: answer.value,
            timeout=_QUERY_TIMEOUT,
        )


class _Probes:
    def __init__(self, reader: ProbeReader) -> None:
        self._reader = reader

    async def find_probe(self, name: str) -> ProbeFacts | None:
        probe_id = make_probe_id(name)
        if probe_id not in self._reader.ids:
            return None
        probe = await self._reader.find_probe(probe_id)
        if probe is None or probe.last_result is None:
            return None
        return ProbeFacts(
            name=probe.name,
            target=probe.target,
            message=probe.last_result.message,
            is_success=probe.last_result.status is not ProbeStatus.DOWN,
            path=f"/probes/{probe_id}",
        )
