"""Why a query has no result, for the metrics explorer."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from resumatch_monitor.api.charts import to_api_error
from resumatch_monitor.api.errors import BadRequestError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.timerange import parse_time
from resumatch_monitor.kit.clock import Clock, from_milliseconds, isoformat
from resumatch_monitor.promql.finding import Finding
from resumatch_monitor.promql.runner import QueryRunner
from resumatch_monitor.promql.value import QueryError


def build_router(*, queries: QueryRunner, guard: Guard, clock: Clock) -> APIRouter:
    """Return `GET /api/monitor/explain`."""
    router = APIRouter(prefix="/api/monitor", dependencies=[Depends(guard.viewer)])

    @router.get("/explain")
    async def explain(
        expr: str,
        at: str = "now",
        start: Annotated[str | None, Query(alias="from")] = None,
        end: Annotated[str | None, Query(alias="to")] = None,
    ) -> dict[str, Any]:
        end_ms = parse_time(end or at, clock=clock, name="to" if end else "at")
        start_ms = parse_time(start, clock=clock, name="from") if start else end_ms
        if start_ms > end_ms:
            raise BadRequestError("from is after to")
        try:
            found = await queries.explain(expr, start_ms=start_ms, end_ms=end_ms)
        except QueryError as error:
            raise to_api_error(error) from error
        return {
            "from_ms": start_ms,
            "to_ms": end_ms,
            "findings": [_render_finding(each) for each in found],
        }

    return router


def _render_finding(finding: Finding) -> dict[str, Any]:
    at_ms = finding.sample_at_ms
    return {
        "kind": finding.kind.value,
        "text": finding.text,
        "selector": finding.selector,
        "suggestions": [{"text": each.text, "expr": each.expr} for each in finding.suggestions],
        "sample_at": None if at_ms is None else isoformat(from_milliseconds(at_ms)),
    }
