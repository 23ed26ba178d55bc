"""Queries of Prometheus' API: at one moment, over a range, formatted and taken apart."""

from datetime import timedelta

from resumatch_monitor.api.prometheus_answer import Body, begin_body, render_data
from resumatch_monitor.api.prometheus_json import count_cells, render_instant, render_range
from resumatch_monitor.api.prometheus_params import Params, bad_data
from resumatch_monitor.promql.engine import TOO_MANY_POINTS, Answer, check_range
from resumatch_monitor.promql.parse import format_query
from resumatch_monitor.promql.runner import QueryRunner
from resumatch_monitor.promql.tree import describe
from resumatch_monitor.promql.value import InstantValue, Matrix, QueryLimitError

BACKWARDS = 'invalid parameter "end": end timestamp must not be before start time'


class QueryHandlers:
    """Answers with what queries evaluate to."""

    def __init__(self, queries: QueryRunner) -> None:
        self._queries = queries

    async def query(self, params: Params) -> Body:
        """Evaluate at one moment."""
        limit, has_statistics = params.limit(), bool(params.text("stats"))

        def render(answer: Answer[InstantValue]) -> Body:
            pieces = render_instant(answer, limit=limit, has_statistics=has_statistics)
            return begin_body(pieces, cells=count_cells(answer.value))

        return await self._queries.run_instant(
            params.text("query"),
            at_ms=params.time_ms("time", default_ms=params.now_ms()),
            render=render,
            timeout=params.duration("timeout"),
            lookback=_read_lookback(params),
        )

    async def query_range(self, params: Params) -> Body:
        """Evaluate over a range."""
        start_ms, end_ms = params.time_ms("start"), params.time_ms("end")
        if end_ms < start_ms:
            raise bad_data(BACKWARDS)
        step_ms, limit, has_statistics = (
            params.step_ms(),
            params.limit(),
            bool(params.text("stats")),
        )
        try:
            check_range(start_ms, end_ms, step_ms)
        except QueryLimitError:
            raise bad_data(TOO_MANY_POINTS) from None

        def render(answer: Answer[Matrix]) -> Body:
            pieces = render_range(answer, limit=limit, has_statistics=has_statistics)
            return begin_body(pieces, cells=count_cells(answer.value))

        return await self._queries.run_range(
            params.text("query"),
            start_ms=start_ms,
            end_ms=end_ms,
            step_ms=step_ms,
            render=render,
            timeout=params.duration("timeout"),
            lookback=_read_lookback(params),
        )

    async def format_query(self, params: Params) -> bytes:
        """Lay a query out."""
        return render_data(format_query(params.text("query")))

    async def parse_query(self, params: Params) -> bytes:
        """Take a query apart."""
        return render_data(describe(params.text("query"), features=self._queries.features))


def _read_lookback(params: Params) -> timedelta | None:
    return params.duration("lookback_delta", problem="error parsing lookback delta duration: ")
