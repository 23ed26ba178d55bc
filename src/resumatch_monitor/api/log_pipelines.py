"""Trying a pipeline on pasted lines or on what is stored."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from resumatch_monitor.api.errors import ApiError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.logs_render import render_fields
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.logs.pipeline.config import PipelineConfig
from resumatch_monitor.logs.pipeline.draft import Increment, Order
from resumatch_monitor.logs.pipeline.parsing import Surroundings
from resumatch_monitor.logs.pipeline.trial import (
    Trial,
    read_line,
    try_pipeline,
)
from resumatch_monitor.logs.query.lexer import MAX_QUERY_CHARACTERS, QueryError
from resumatch_monitor.logs.query.parser import parse_query
from resumatch_monitor.logs.record import LogRecord
from resumatch_monitor.logs.scrubbing import RecordScrubber
from resumatch_monitor.logs.stated import StatedError, read_stated
from resumatch_monitor.logs.store import LogQuery, LogReader

_RECORDS_MAX = 100
_LONGEST_LINE = 64 * 1024
_LONGEST_PIPELINE = 64 * 1024


class TrialRequest(BaseModel):
    """The body of `POST /logs/pipelines/try`."""

    model_config = ConfigDict(extra="forbid")

    pipeline: Annotated[str, StringConstraints(max_length=_LONGEST_PIPELINE)] | dict[str, Any]
    lines: list[Annotated[str, StringConstraints(max_length=_LONGEST_LINE)]] = Field(
        default_factory=list[str], max_length=_RECORDS_MAX
    )
    last: int = Field(default=0, ge=0, le=_RECORDS_MAX)
    query: str = Field(default="", max_length=MAX_QUERY_CHARACTERS)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.lines) == bool(self.last):
            raise ValueError("either lines or last says on what the pipeline is tried")
        return self


@dataclass(frozen=True, slots=True)
class TrialSources:
    """What a trial needs: stored records, and what pipelines run with."""

    logs: LogReader
    surroundings: Surroundings
    scrubber: RecordScrubber
    clock: Clock


def build_router(*, sources: TrialSources, guard: Guard) -> APIRouter:
    """Return the route, for viewers: it changes nothing."""
    router = APIRouter(prefix="/api/monitor/logs", dependencies=[Depends(guard.viewer)])

    @router.post("/pipelines/try")
    async def try_(body: TrialRequest) -> dict[str, Any]:
        try:
            config = await asyncio.to_thread(read_stated, PipelineConfig, body.pipeline)
        except StatedError as error:
            raise ApiError(
                HTTPStatus.BAD_REQUEST,
                "invalid_pipeline",
                f"The pipeline cannot be used: {error}"[:2_000],
                details={"mistakes": error.render()},
            ) from error
        records = await _find_records(sources, body)
        trials = await asyncio.to_thread(
            try_pipeline,
            config,
            records,
            surroundings=sources.surroundings,
            scrubber=sources.scrubber,
        )
        return {"items": [_render(trial) for trial in trials]}

    return router


async def _find_records(sources: TrialSources, body: TrialRequest) -> Sequence[LogRecord]:
    if body.lines:
        now = sources.clock.now()
        return [read_line(line, now, sources.surroundings) for line in body.lines]
    try:
        node = parse_query(body.query)
    except QueryError as error:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            "invalid_query",
            f"The query cannot be read at character {error.position + 1}: {error}.",
            details={"position": error.position},
        ) from error
    page = await sources.logs.search(LogQuery(node), limit=body.last)
    return [item.record for item in page.items]


def _render(trial: Trial) -> dict[str, Any]:
    return {
        "is_matched": trial.is_matched,
        "is_dropped": trial.after is None,
        "before": render_fields(trial.before),
        "after": trial.after and render_fields(trial.after),
        "steps": [
            {
                "step": each.step,
                "type": each.type,
                "outcome": each.outcome.value,
                "reason": each.reason,
            }
            for each in trial.reports
        ],
        "orders": [_render_order(order) for order in trial.orders],
    }


def _render_order(order: Order) -> dict[str, Any]:
    if isinstance(order, Increment):
        return {"metric": order.metric, "labels": dict(order.labels), "amount": order.amount}
    return {"project": order.project, "event": dict(order.event)}
