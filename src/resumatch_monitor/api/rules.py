"""How the rules are doing: in the monitor's own form and in that of Prometheus' API."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from fastapi import APIRouter, Depends

from resumatch_monitor.alerts.alert import ALERT_NAME, SEVERITY
from resumatch_monitor.alerts.state import ActiveAlert, find_rule_state
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.prometheus_params import RuleFilter, bad_data
from resumatch_monitor.kit.clock import isoformat, isoformat_or_none
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.rules.group import GroupStatus
from resumatch_monitor.rules.manager import RulesSnapshot
from resumatch_monitor.rules.model import AlertingRule, RuleFileError
from resumatch_monitor.rules.runner import RuleStatus
from resumatch_monitor.rules.template.go_format import format_special

TakeSnapshot = Callable[[], RulesSnapshot]
"""`RuleManager.snapshot`."""

_EVERYTHING = RuleFilter()
# What Prometheus writes for a time that is not known.
_ZERO_TIME = "0001-01-01T00:00:00Z"


def build_router(*, take_snapshot: TakeSnapshot, guard: Guard) -> APIRouter:
    """Return the routes of rules."""
    router = APIRouter(dependencies=[Depends(guard.viewer)])

    @router.get("/api/monitor/rules")
    async def list_rules() -> dict[str, Any]:
        return render_rules(take_snapshot())

    return router


def render_rules(snapshot: RulesSnapshot) -> dict[str, Any]:
    """Render all groups and everything that is wrong in the rule files."""
    return {
        "groups": [_render_group(status, snapshot.errors) for status in snapshot.groups],
        "errors": [
            {
                "file": error.file,
                "line": error.line,
                "group": error.group,
                "rule": error.rule,
                "message": error.message,
            }
            for error in snapshot.errors
        ],
    }


def render_prometheus_rules(
    snapshot: RulesSnapshot, wanted: RuleFilter = _EVERYTHING
) -> dict[str, Any]:
    """Render the `data` of `GET /api/v1/rules`.

    Raises:
        PrometheusError: If the groups have changed since the page before.
    """
    statuses = _skip_to(snapshot.groups, wanted.group_next_token)
    groups: list[dict[str, Any]] = []
    for status in statuses:
        group = _render_wanted(status, wanted)
        if group is None:
            continue
        if wanted.group_limit and len(groups) == wanted.group_limit:
            return {"groups": groups, "groupNextToken": _token(status)}
        groups.append(group)
    return {"groups": groups}


def _skip_to(statuses: Sequence[GroupStatus], token: str) -> Sequence[GroupStatus]:
    if not token:
        return statuses
    for position, status in enumerate(statuses):
        if _token(status) == token:
            return statuses[position:]
    raise bad_data("invalid group_next_token. were rule groups changed?")


def _token(status: GroupStatus) -> str:
    return Labels.of(file=status.group.file, name=status.group.name).fingerprint


def _render_wanted(status: GroupStatus, wanted: RuleFilter) -> dict[str, Any] | None:
    if wanted.group_names and status.group.name not in wanted.group_names:
        return None
    if wanted.files and status.group.file not in wanted.files:
        return None
    rules = [
        _render_prometheus_rule(rule, has_alerts=wanted.has_alerts)
        for rule in status.rules
        if _is_wanted(rule, wanted)
    ]
    is_filtered = bool(wanted.kind or wanted.rule_names or wanted.matcher_sets)
    return None if is_filtered and not rules else _render_prometheus_group(status, rules)


def _is_wanted(status: RuleStatus, wanted: RuleFilter) -> bool:
    if wanted.rule_names and status.rule.name not in wanted.rule_names:
        return False
    if not _is_of_kind(status, wanted.kind):
        return False
    labels = dict(status.rule.labels)
    return not wanted.matcher_sets or any(
        all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)
        for matchers in wanted.matcher_sets
    )


def render_prometheus_alerts(snapshot: RulesSnapshot) -> dict[str, Any]:
    """Render the `data` of `GET /api/v1/alerts`: what is pending or firing."""
    return {
        "alerts": [
            _render_prometheus_alert(alert)
            for group in snapshot.groups
            for rule in group.rules
            for alert in rule.alerts
        ]
    }


def _render_group(status: GroupStatus, errors: Iterable[RuleFileError]) -> dict[str, Any]:
    group = status.group
    own = [error for error in errors if error.file == group.file and error.group == group.name]
    return {
        "name": group.name,
        "file": group.file,
        "interval_seconds": group.interval.total_seconds(),
        "query_offset_seconds": group.query_offset.total_seconds(),
        "limit": group.limit,
        "last_evaluation_at": isoformat_or_none(status.last_evaluation_at),
        "next_evaluation_at": isoformat_or_none(status.next_evaluation_at),
        "evaluation_seconds": status.evaluation_seconds,
        "iterations_missed": status.iterations_missed,
        "error": "; ".join(f"line {error.line}: {error.message}" for error in own) or None,
        "rules": [_render_rule(rule) for rule in status.rules],
    }


def _render_rule(status: RuleStatus) -> dict[str, Any]:
    rule = status.rule
    is_alerting = isinstance(rule, AlertingRule)
    return {
        "name": rule.name,
        "type": "alerting" if is_alerting else "recording",
        "expr": rule.expr,
        "line": rule.line,
        "labels": dict(rule.labels),
        "for_seconds": rule.hold_duration.total_seconds() if is_alerting else 0.0,
        "keep_firing_for_seconds": rule.keep_firing_for.total_seconds() if is_alerting else 0.0,
        "state": find_rule_state(status.alerts).value,
        "health": status.health.value,
        "last_error": status.last_error,
        "last_evaluation_at": isoformat_or_none(status.last_evaluation_at),
        "evaluation_seconds": status.evaluation_seconds,
        "samples": status.samples,
        "severity": dict(rule.labels).get(SEVERITY),
        "annotations": dict(rule.annotations) if is_alerting else {},
        "alerts": len(status.alerts),
        "failing_since": isoformat_or_none(status.failing_since),
        "data": status.data.value,
        "no_data_since": isoformat_or_none(status.no_data_since),
        "on_no_data": rule.on_no_data and rule.on_no_data.value,
        "managed_id": rule.managed_id or None,
    }


def _render_prometheus_group(status: GroupStatus, rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": status.group.name,
        "file": status.group.file,
        "rules": rules,
        "interval": status.group.interval.total_seconds(),
        "limit": status.group.limit,
        "evaluationTime": status.evaluation_seconds,
        "lastEvaluation": isoformat_or_none(status.last_evaluation_at) or _ZERO_TIME,
    }


def _render_prometheus_rule(status: RuleStatus, *, has_alerts: bool) -> dict[str, Any]:
    rule = status.rule
    rendered: dict[str, Any] = {
        "name": rule.name,
        "query": rule.expr,
        "labels": dict(rule.labels),
        "health": status.health.value,
        "evaluationTime": status.evaluation_seconds,
        "lastEvaluation": isoformat_or_none(status.last_evaluation_at) or _ZERO_TIME,
        "type": "recording",
    }
    if status.last_error is not None:
        rendered["lastError"] = status.last_error
    if isinstance(rule, AlertingRule):
        rendered |= {
            "type": "alerting",
            "state": find_rule_state(status.alerts).value,
            "duration": rule.hold_duration.total_seconds(),
            "keepFiringFor": rule.keep_firing_for.total_seconds(),
            "annotations": dict(rule.annotations),
            "alerts": [_render_prometheus_alert(each) for each in status.alerts if has_alerts],
        }
    return rendered


def _render_prometheus_alert(alert: ActiveAlert) -> dict[str, Any]:
    rendered: dict[str, Any] = {
        "labels": {ALERT_NAME: alert.labels.get(ALERT_NAME, ""), **alert.labels},
        "annotations": dict(alert.annotations),
        "state": alert.state.value,
        "activeAt": isoformat(alert.active_at),
        "value": _render_value(alert.value),
    }
    if alert.missing_since is not None:
        rendered["keepFiringSince"] = isoformat(alert.missing_since)
    return rendered


def _render_value(value: float) -> str:
    """Render as Prometheus renders an alert's value, always with an exponent: `1e+00`."""
    if not math.isfinite(value):
        return format_special(value)
    candidates = (f"{value:.{digits}e}" for digits in range(17))
    return next(text for text in candidates if float(text) == value)


def _is_of_kind(status: RuleStatus, kind: str) -> bool:
    is_alerting = isinstance(status.rule, AlertingRule)
    return not kind or is_alerting == (kind == "alert")
