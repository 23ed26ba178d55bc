"""Where a rule would have fired, or what it would have recorded, before it is saved."""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import APIRouter, Depends, Response
from pydantic import ConfigDict, Field

from resumatch_monitor.api.charts import matrix_to_columns, to_api_error
from resumatch_monitor.api.errors import ApiError, BadRequestError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.rules_managed import RuleTextBody, rule_to_text
from resumatch_monitor.api.rules_managed import to_api_error as to_rule_error
from resumatch_monitor.api.timerange import parse_time
from resumatch_monitor.kit.clock import Clock, from_milliseconds, isoformat, isoformat_or_none
from resumatch_monitor.kit.durations import parse_duration
from resumatch_monitor.promql.value import Matrix, QueryError
from resumatch_monitor.rules.draft import InvalidRuleError, check_rule_text, problem
from resumatch_monitor.rules.loader import CheckExpression
from resumatch_monitor.rules.model import AlertingRule, Rule
from resumatch_monitor.rules.preview.model import (
    Preview,
    PreviewChart,
    PreviewedAlert,
    PreviewWarning,
    RecordingPreview,
)
from resumatch_monitor.rules.preview.service import BusyError, RulePreviewer

_LONGEST_SPAN = timedelta(days=400)
_MOST_ALERTS = 50
_MOST_STRETCHES = 100
_DAY = timedelta(days=1)


class PreviewBody(RuleTextBody):
    """A rule, as `rule`, as `yaml` or by its keys alone, and a range of time."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    expr: str | None = None
    for_: str | None = Field(default=None, alias="for")
    keep_firing_for: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    interval: str | None = Field(default=None, max_length=50)
    from_: str = Field(default="now-7d", alias="from", max_length=64)
    to: str = Field(default="now", max_length=64)

    def find_text(self) -> str:
        """Return the rule's text.

        Raises:
            BadRequestError: If there are several rules, or none.
        """
        if self.expr is None:
            return self.to_text()
        if self.rule is not None or self.yaml is not None:
            raise BadRequestError("give either rule, yaml or expr")
        rule = {
            "alert": "Preview",
            "expr": self.expr,
            "for": self.for_,
            "keep_firing_for": self.keep_firing_for,
            "labels": self.labels,
            "annotations": self.annotations,
        }
        return rule_to_text({key: value for key, value in rule.items() if value})


def build_router(
    *,
    previewer: RulePreviewer,
    check_expression: CheckExpression,
    default_interval: timedelta,
    clock: Clock,
    guard: Guard,
) -> APIRouter:
    """Return `POST /api/monitor/rules/preview`."""
    router = APIRouter(prefix="/api/monitor/rules")

    @router.post("/preview", dependencies=[Depends(guard.viewer)])
    async def preview(body: PreviewBody) -> Response:
        end_ms = parse_time(body.to, clock=clock, name="to")
        start_ms = parse_time(body.from_, clock=clock, name="from")
        if not 0 < end_ms - start_ms <= _LONGEST_SPAN // timedelta(milliseconds=1):
            raise BadRequestError("from must be before to, by at most 400 days")
        try:
            rule = check_rule_text(body.find_text(), check_expression).rule
            interval = _read_interval(body.interval, default_interval)
        except InvalidRuleError as error:
            raise to_rule_error(error) from error
        try:
            answer = await _preview(previewer, rule, interval, (start_ms, end_ms))
        except QueryError as error:
            raise to_api_error(error) from error
        except BusyError as error:
            raise ApiError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "busy",
                "Other rules are being tried; try again in a moment.",
                headers={"Retry-After": "5"},
            ) from error
        return Response(orjson.dumps(answer), media_type="application/json")

    return router


async def _preview(
    previewer: RulePreviewer, rule: Rule, interval: timedelta, span_ms: tuple[int, int]
) -> dict[str, Any]:
    start_ms, end_ms = span_ms
    if isinstance(rule, AlertingRule):
        found = await previewer.preview(rule, interval=interval, start_ms=start_ms, end_ms=end_ms)
        return render_preview(found)
    recorded = await previewer.preview_recording(
        rule, interval=interval, start_ms=start_ms, end_ms=end_ms
    )
    return render_recording(recorded)


def _read_interval(text: str | None, default: timedelta) -> timedelta:
    if not text:
        return default
    try:
        interval = parse_duration(text)
    except ValueError as error:
        raise InvalidRuleError([problem(f"interval: {error}", "interval")]) from None
    if not timedelta(seconds=1) <= interval <= _DAY:
        raise InvalidRuleError([problem("interval: must be from 1s to 1d", "interval")])
    return interval


def render_preview(preview: Preview) -> dict[str, Any]:
    """Render a preview; lists are cut and say by how much."""
    span = timedelta(milliseconds=preview.to_ms - preview.from_ms)
    stretches = [each for alert in preview.alerts for each in alert.stretches if each.fired_at]
    end = from_milliseconds(preview.to_ms)
    lengths = [(each.ended_at or end) - each.fired_at for each in stretches if each.fired_at]
    return {
        "type": "alerting",
        **_render_span(preview),
        "totals": {
            "alerts": sum(1 for alert in preview.alerts if alert.firing_count),
            "alerts_pending_only": sum(1 for alert in preview.alerts if not alert.firing_count),
            "alerts_not_followed": preview.left_out,
            "firings": len(stretches),
            "firings_per_day": len(stretches) * _DAY / span if span else None,
            "firing_seconds": sum(lengths, timedelta(0)).total_seconds(),
            "longest_seconds": max(lengths, default=timedelta(0)).total_seconds(),
            "firing_now": sum(alert.is_firing for alert in preview.alerts),
        },
        "alerts": [_render_alert(each) for each in preview.alerts[:_MOST_ALERTS]],
        "truncated_alerts": max(0, len(preview.alerts) - _MOST_ALERTS),
        "chart": _render_chart(preview.chart),
        "warnings": [_render_warning(each) for each in preview.warnings],
        "example": preview.example
        and {
            "at": isoformat(from_milliseconds(preview.example.at_ms)),
            "labels": dict(preview.example.labels),
            "annotations": dict(preview.example.annotations),
        },
    }


def render_recording(preview: RecordingPreview) -> dict[str, Any]:
    """Render what would have been recorded."""
    return {
        "type": "recording",
        **_render_span(preview),
        "series": preview.series,
        "most_at_once": preview.most_at_once,
        "chart": _render_chart(preview.chart),
        "warnings": [_render_warning(each) for each in preview.warnings],
    }


def _render_span(preview: Preview | RecordingPreview) -> dict[str, Any]:
    return {
        "from_ms": preview.from_ms,
        "to_ms": preview.to_ms,
        "step_ms": preview.step_ms,
        "interval_ms": preview.interval_ms,
        "is_coarser": preview.step_ms > preview.interval_ms,
        "is_cut": preview.is_cut,
    }


def _render_alert(alert: PreviewedAlert) -> dict[str, Any]:
    return {
        "labels": dict(alert.labels),
        "firings": alert.firing_count,
        "firing_seconds": alert.firing.total_seconds(),
        "is_firing": alert.is_firing,
        "intervals": [
            {
                "active_at": isoformat(each.active_at),
                "fired_at": isoformat_or_none(each.fired_at),
                "ended_at": isoformat_or_none(each.ended_at),
            }
            # Of very many, the latest.
            for each in alert.stretches[-_MOST_STRETCHES:]
        ],
        "truncated_intervals": max(0, len(alert.stretches) - _MOST_STRETCHES),
    }


def _render_chart(chart: PreviewChart) -> dict[str, Any]:
    matrix = Matrix(chart.times, chart.labels, chart.values)
    columns: Mapping[str, object] = matrix_to_columns(matrix, "", max_series=len(chart.labels))
    return {
        **columns,
        "truncated_series": chart.left_out,
        "expr": chart.expr,
        "threshold": chart.threshold and chart.threshold.value,
        "operator": chart.threshold and chart.threshold.operator,
        "quantiles": dict(chart.quantiles),
    }


def _render_warning(warning: PreviewWarning) -> dict[str, Any]:
    return {
        "kind": warning.kind.value,
        "text": warning.text,
        "field": warning.field,
        "suggestions": [{"text": each.text, "expr": each.expr} for each in warning.suggestions],
    }
