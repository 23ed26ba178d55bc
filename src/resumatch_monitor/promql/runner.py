"""Runs queries on a bounded pool of threads, with a time-out each."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from typing_extensions import override

from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.samples import Queryable
from resumatch_monitor.promql.context import DEFAULT_MAX_SAMPLES, Options
from resumatch_monitor.promql.crew import Crew
from resumatch_monitor.promql.deadline import Deadline
from resumatch_monitor.promql.engine import Answer, QueryEngine, StoreEngine, check_range
from resumatch_monitor.promql.explain import explain
from resumatch_monitor.promql.finding import Finding
from resumatch_monitor.promql.telemetry import QueryMetrics, name_reason
from resumatch_monitor.promql.value import (
    InstantValue,
    Matrix,
    QueryError,
    QueryLimitError,
    QueryTimeoutError,
)
from resumatch_monitor.promql.waiting import Waiting

_MOST_WAITING = 200
_GRACE = timedelta(seconds=2)
"""How much later than its time-out a query that does not notice it is given up."""
_LONGEST_ROUND_SECONDS = 1.0
ResultT = TypeVar("ResultT")


class Querier(Protocol):
    """Answers queries without holding up the event loop."""

    async def instant(
        self, query: str, at: datetime, *, waiting: Waiting | None = None
    ) -> InstantValue:
        """Evaluate `query` at one moment.

        Args:
            query: A PromQL expression.
            at: The moment.
            waiting: Is told how long the query waited, whether it has an answer or not.

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


class QueryRunner(Querier):
    """The `Querier` over a store.

    `run_instant`, `run_range` and `read` besides let a caller work on the result in the same
    thread, so that rendering a large answer does not hold up the event loop either.
    """

    def __init__(
        self,
        queryable: Queryable,
        *,
        clock: Clock,
        telemetry: Telemetry,
        workers: int = 2,
        timeout: timedelta = timedelta(seconds=30),
        max_samples: int = DEFAULT_MAX_SAMPLES,
        subquery_step: timedelta = timedelta(minutes=1),
        features: frozenset[str] = frozenset(),
        metrics: QueryMetrics | None = None,
        helpers: int = 0,
        engine: QueryEngine | None = None,
    ) -> None:
        """Start no thread yet.

        Args:
            queryable: What is queried.
            clock: Measures the time-outs.
            telemetry: Gets the metrics of queries.
            workers: How many queries run at the same time.
            timeout: How long a query may take, waiting included.
            max_samples: How many samples a query may load.
            subquery_step: The step of subqueries that name none: `global.evaluation_interval`.
            features: Prometheus' names of the experimental features to allow.
            metrics: What another runner has registered already.
            helpers: How many threads besides help whichever query has much to do.
            engine: Who evaluates queries; None for this process, over `queryable`.
        """
        self._queryable = queryable
        self._given_engine = engine
        self._clock = clock
        self._telemetry = telemetry
        self._timeout = timeout
        self._options = Options(
            max_samples=max_samples,
            subquery_step_ms=max(1, round(subquery_step / timedelta(milliseconds=1))),
            features=features,
        )
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="query")
        self._crew = Crew(helpers)
        self._engine = engine or StoreEngine(queryable, crew=self._crew)
        self._waiting = 0
        self._is_stopping = threading.Event()
        self._metrics = metrics or QueryMetrics(telemetry)

    def build_sibling(self, *, workers: int, queryable: Queryable | None = None) -> "QueryRunner":
        """Return a runner with the same bounds and threads of its own, over `queryable` if given.

        What is asked of the one does not wait for what is asked of the other.
        """
        return QueryRunner(
            queryable or self._queryable,
            clock=self._clock,
            telemetry=self._telemetry,
            workers=workers,
            timeout=self._timeout,
            max_samples=self._options.max_samples,
            subquery_step=timedelta(milliseconds=self._options.subquery_step_ms),
            features=self._options.features,
            metrics=self._metrics,
            engine=self._given_engine,
        )

    @property
    def features(self) -> frozenset[str]:
        """Prometheus' names of the experimental features that are allowed."""
        return self._options.features

    @override
    async def instant(
        self, query: str, at: datetime, *, waiting: Waiting | None = None
    ) -> InstantValue:
        def work(deadline: Deadline) -> InstantValue:
            return self._engine.evaluate_instant(
                query, to_milliseconds(at), options=self._options, checkpoint=deadline.check
            ).value

        return await self._run("instant", work, None, waiting)

    @override
    async def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
        return await self.run_range(
            query,
            start_ms=start_ms,
            end_ms=end_ms,
            step_ms=step_ms,
            render=lambda answer: answer.value,
        )

    async def run_instant(
        self,
        query: str,
        *,
        at_ms: int,
        render: Callable[[Answer[InstantValue]], ResultT],
        timeout: timedelta | None = None,  # noqa: ASYNC109 - passed on to the thread
        lookback: timedelta | None = None,
    ) -> ResultT:
        """Evaluate at one moment and return what `render` makes of the answer in the thread.

        Args:
            query: A PromQL expression.
            at_ms: The moment.
            render: Called in the thread.
            timeout: Instead of the configured one, if it is shorter.
            lookback: How old a sample may be and still be a series' value; None or 0 for 5 min.

        Raises:
            QueryError: See `promql.value` for its subclasses.
        """
        options = self._options_with(lookback)

        def work(deadline: Deadline) -> ResultT:
            answer = self._engine.evaluate_instant(
                query, at_ms, options=options, checkpoint=deadline.check
            )
            return render(deadline.add_waiting(answer))

        return await self._run("instant", work, timeout)

    async def run_instants(self, questions: Sequence[tuple[str, int]]) -> list["Outcome"]:
        """Evaluate queries, each at a moment in milliseconds, one after the other in one thread.

        Returns:
            What became of each. There are fewer than `questions` if the first ones took long:
            what is not begun has all of its time left.

        Raises:
            QueryError: If none could be begun.
        """

        def work(deadline: Deadline) -> list[Outcome]:
            found: list[Outcome] = []
            began = turned = self._clock.monotonic()
            for query, at_ms in questions:
                if found and turned - began > _LONGEST_ROUND_SECONDS:
                    break
                value = self._try_instant(query, at_ms, deadline)
                before, turned = turned, self._clock.monotonic()
                found.append(Outcome(value, turned - before))
            return found

        return await self._run("instant", work, None)

    def _try_instant(self, query: str, at_ms: int, deadline: Deadline) -> InstantValue | QueryError:
        try:
            return _in_bounds(
                lambda: (
                    self._engine.evaluate_instant(
                        query, at_ms, options=self._options, checkpoint=deadline.check
                    ).value
                )
            )
        except QueryError as error:
            self._metrics.failures.labels(name_reason(error)).inc()
            return error

    async def run_range(
        self,
        query: str,
        *,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        render: Callable[[Answer[Matrix]], ResultT],
        timeout: timedelta | None = None,  # noqa: ASYNC109 - passed on to the thread
        lookback: timedelta | None = None,
    ) -> ResultT:
        """Evaluate over a range and return what `render` makes of the answer in the thread.

        `timeout` and `lookback` are as in `run_instant`.

        Raises:
            QueryError: See `promql.value` for its subclasses.
        """
        check_range(start_ms, end_ms, step_ms)
        options = self._options_with(lookback)

        def work(deadline: Deadline) -> ResultT:
            answer = self._engine.evaluate_range(
                query,
                start_ms=start_ms,
                end_ms=end_ms,
                step_ms=step_ms,
                options=options,
                checkpoint=deadline.check,
            )
            return render(deadline.add_waiting(answer))

        return await self._run("range", work, timeout)

    async def read(self, work: Callable[[Queryable], ResultT]) -> ResultT:
        """Return what `work` reads from the store, in a thread of the pool.

        Raises:
            QueryTimeoutError: If it takes too long.
        """
        return await self._run("read", lambda _: work(self._queryable), None)

    async def explain(self, query: str, *, start_ms: int, end_ms: int) -> list[Finding]:
        """Return why `query` has no result in a range; nothing if it has one.

        Raises:
            QueryError: See `promql.value` for its subclasses.
        """

        def work(deadline: Deadline) -> list[Finding]:
            return explain(
                self._queryable,
                query,
                start_ms=start_ms,
                end_ms=end_ms,
                options=self._options,
                checkpoint=deadline.check,
            )

        return await self._run("explain", work, None)

    def _options_with(self, lookback: timedelta | None) -> Options:
        lookback_ms = round((lookback or timedelta()) / timedelta(milliseconds=1))
        return replace(self._options, lookback_ms=lookback_ms) if lookback_ms > 0 else self._options

    def stop(self) -> None:
        """Refuse further queries, and end those that run at their next checkpoint."""
        self._is_stopping.set()
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._crew.stop()

    async def _run(
        self,
        kind: str,
        work: Callable[[Deadline], ResultT],
        timeout: timedelta | None,  # noqa: ASYNC109 - passed on to the thread
        waiting: Waiting | None = None,
    ) -> ResultT:
        if self._is_stopping.is_set():
            raise QueryTimeoutError("the monitor is shutting down")
        if self._waiting >= _MOST_WAITING:
            self._metrics.failures.labels("limit").inc()
            raise QueryTimeoutError(f"{_MOST_WAITING} queries are waiting already; try again later")
        limit = min(timeout, self._timeout) if timeout is not None else self._timeout
        deadline = Deadline(self._clock, limit, self._is_stopping)
        started = self._clock.monotonic()
        self._waiting += 1
        self._metrics.pending.inc()
        try:
            async with asyncio.timeout((limit + _GRACE).total_seconds()):
                return await asyncio.get_running_loop().run_in_executor(
                    self._executor, _in_time, work, deadline
                )
        except TimeoutError:
            self._metrics.failures.labels("timeout").inc()
            raise QueryTimeoutError(deadline.message) from None
        except BaseException as error:
            self._metrics.failures.labels(name_reason(error)).inc()
            raise
        finally:
            deadline.cancel()
            self._waiting -= 1
            self._metrics.pending.dec()
            passed = self._clock.monotonic() - started
            self._metrics.duration.labels(kind).observe(passed)
            if waiting is not None:
                waiting.add(passed_seconds=passed, busy_seconds=deadline.busy_seconds)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one of several queries, and how long it was worked on."""

    value: InstantValue | QueryError
    seconds: float


def _in_time(work: Callable[[Deadline], ResultT], deadline: Deadline) -> ResultT:
    deadline.begin()
    try:
        return _in_bounds(lambda: work(deadline))
    finally:
        deadline.end()


def _in_bounds(work: Callable[[], ResultT]) -> ResultT:
    try:
        return work()
    except RecursionError:
        raise QueryLimitError("the query is nested too deeply") from None
    except MemoryError:
        raise QueryLimitError("the query needs more memory than there is") from None
