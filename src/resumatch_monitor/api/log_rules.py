"""Rules over logs: which there are, how they stand, and when one would have fired."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, StringConstraints

from resumatch_monitor.api.errors import ApiError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.kit.clock import Clock, isoformat, isoformat_or_none
from resumatch_monitor.kit.durations import format_duration, parse_duration
from resumatch_monitor.logs.alerting.config import LogRuleConfig
from resumatch_monitor.logs.alerting.preview import Episode, Preview, preview_rule
from resumatch_monitor.logs.alerting.rule import build_rule
from resumatch_monitor.logs.alerting.runner import LogRuleRunner
from resumatch_monitor.logs.stated import StatedError, read_stated
from resumatch_monitor.logs.store import LogReader

_LONGEST_RULE = 64 * 1024


class PreviewRequest(BaseModel):
    """The body of `POST /logs/rules/preview`."""

    model_config = ConfigDict(extra="forbid")

    rule: Annotated[str, StringConstraints(max_length=_LONGEST_RULE)] | dict[str, Any]
    span: Literal["1h", "6h", "1d", "7d"] = "1d"


@dataclass(frozen=True, slots=True)
class LogRuleSources:
    """What the routes need."""

    runners: Sequence[LogRuleRunner]
    logs: LogReader
    clock: Clock


def build_router(*, sources: LogRuleSources, guard: Guard) -> APIRouter:
    """Return the routes, for viewers: they change nothing."""
    router = APIRouter(prefix="/api/monitor/logs/rules", dependencies=[Depends(guard.viewer)])

    @router.get("")
    async def rules() -> dict[str, Any]:
        # The configuration takes two hundred at most: a page.
        return {"items": [_render_rule(each) for each in sources.runners], "next_cursor": None}

    @router.post("/preview")
    async def preview(body: PreviewRequest) -> dict[str, Any]:
        try:
            rule = build_rule(read_stated(LogRuleConfig, body.rule))
        except StatedError as error:
            raise ApiError(
                HTTPStatus.BAD_REQUEST,
                "invalid_rule",
                f"The rule cannot be used: {error}"[:2_000],
                details={"mistakes": error.render()},
            ) from error
        found = await preview_rule(
            rule, sources.logs, now=sources.clock.now(), span=parse_duration(body.span)
        )
        return _render_preview(found)

    return router


def _render_rule(runner: LogRuleRunner) -> dict[str, Any]:
    config = runner.rule.config
    return {
        "name": config.name,
        "query": config.query,
        "window_seconds": config.window.total_seconds(),
        "window": format_duration(config.window),
        "every_seconds": config.every.total_seconds(),
        "above": config.above,
        "below": config.below,
        "group_by": config.group_by,
        "for_seconds": config.for_.total_seconds(),
        "severity": config.severity,
        "evaluated_at": isoformat_or_none(runner.evaluated_at),
        "problem": runner.problem or None,
        "alerts": [
            {
                "labels": dict(alert.labels),
                "state": alert.state.value,
                "value": alert.value,
                "active_at": isoformat(alert.active_at),
                "fired_at": isoformat_or_none(alert.fired_at),
                "fingerprint": alert.labels.fingerprint,
            }
            for alert in runner.alerts
        ],
    }


def _render_preview(found: Preview) -> dict[str, Any]:
    return {
        "start": isoformat(found.start),
        "step_seconds": found.step.total_seconds(),
        "counts": list(found.counts),
        "episodes": [_render_episode(each) for each in found.episodes],
        "is_cut": found.is_cut,
    }


def _render_episode(episode: Episode) -> dict[str, Any]:
    return {
        "labels": dict(episode.labels),
        "starts_at": isoformat(episode.starts_at),
        "ends_at": isoformat_or_none(episode.ends_at),
        "peak": episode.peak,
    }
