"""Hands the queries that are asked at one moment to a thread together."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from typing_extensions import override

from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.promql.runner import Outcome, Querier, QueryRunner
from resumatch_monitor.promql.value import InstantValue, Matrix, QueryError
from resumatch_monitor.promql.waiting import Waiting

_MOST_TOGETHER = 64


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    query: str
    at_ms: int
    answer: "asyncio.Future[Outcome]"


class GatheringQuerier(Querier):
    """A `Querier` for many small queries, such as those of rules.

    To give a query to a thread and be told of its end costs as much as a small query itself.
    """

    def __init__(self, runner: QueryRunner, *, clock: Clock) -> None:
        self._runner = runner
        self._clock = clock
        self._asked: list[_Question] = []
        self._rounds: set[asyncio.Task[None]] = set()

    @override
    async def instant(
        self, query: str, at: datetime, *, waiting: Waiting | None = None
    ) -> InstantValue:
        began, busy_seconds = self._clock.monotonic(), 0.0
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._ask([_Question(query, to_milliseconds(at), answer)])
        try:
            outcome = await answer
            busy_seconds = outcome.seconds
        finally:
            if waiting is not None:
                passed = self._clock.monotonic() - began
                waiting.add(passed_seconds=passed, busy_seconds=busy_seconds)
        if isinstance(outcome.value, QueryError):
            raise outcome.value
        return outcome.value

    @override
    async def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
        return await self._runner.range(query, start_ms=start_ms, end_ms=end_ms, step_ms=step_ms)

    def _ask(self, questions: list[_Question]) -> None:
        if not self._asked:
            # Whoever else is ready to run asks before this is called.
            asyncio.get_running_loop().call_soon(self._hand_over)
        self._asked.extend(questions)

    def _hand_over(self) -> None:
        asked = [each for each in self._asked if not each.answer.done()]
        self._asked = []
        for first in range(0, len(asked), _MOST_TOGETHER):
            answering = self._answer(asked[first : first + _MOST_TOGETHER])
            task = asyncio.get_running_loop().create_task(answering)
            self._rounds.add(task)
            task.add_done_callback(self._rounds.discard)

    async def _answer(self, questions: list[_Question]) -> None:
        try:
            found = await self._runner.run_instants([(q.query, q.at_ms) for q in questions])
        except asyncio.CancelledError:
            for question in questions:
                question.answer.cancel()
            raise
        # Whatever it is, those who ask are told.
        except Exception as error:  # noqa: BLE001
            for question in questions:
                if not question.answer.done():
                    question.answer.set_exception(error)
            return
        for question, outcome in zip(questions, found, strict=False):
            if not question.answer.done():
                question.answer.set_result(outcome)
        if rest := questions[len(found) :]:
            self._ask(rest)
