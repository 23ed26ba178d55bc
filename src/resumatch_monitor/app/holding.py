"""Keeps rules from taking a store that takes no samples for silence of what they watch."""

from collections.abc import Callable
from datetime import datetime, timedelta

from typing_extensions import override

from resumatch_monitor.promql.runner import Querier
from resumatch_monitor.promql.value import ExecutionError, InstantValue, Matrix
from resumatch_monitor.promql.waiting import Waiting

_SETTLING = timedelta(minutes=1)


class HoldingQuerier(Querier):
    """Refuses queries while samples are refused, and until a few have come in again.

    A rule whose query fails keeps its alerts. Otherwise, five minutes after the disk is full,
    everything that fires would be told as resolved.
    """

    def __init__(self, querier: Querier, *, refused_ago: Callable[[], timedelta | None]) -> None:
        self._querier = querier
        self._refused_ago = refused_ago

    @override
    async def instant(
        self, query: str, at: datetime, *, waiting: Waiting | None = None
    ) -> InstantValue:
        self._check()
        return await self._querier.instant(query, at, waiting=waiting)

    @override
    async def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
        self._check()
        return await self._querier.range(query, start_ms=start_ms, end_ms=end_ms, step_ms=step_ms)

    def _check(self) -> None:
        ago = self._refused_ago()
        if ago is not None and ago < _SETTLING:
            raise ExecutionError(
                "samples are not stored, or were not a moment ago: alerts stay as they are"
            )
