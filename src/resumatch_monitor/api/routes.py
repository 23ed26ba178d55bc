"""The routing tree, and where an alert with given labels would go."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from resumatch_monitor.alerts.alert import ALERT_NAME, Alert, AlertSource
from resumatch_monitor.api.errors import BadRequestError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.dispatch.digest.digester import DigestPlan
from resumatch_monitor.dispatch.matchers import render_matchers
from resumatch_monitor.dispatch.muting.mute import Mute, Muter
from resumatch_monitor.dispatch.routing.route import Escalation, Route, Target, find_targets
from resumatch_monitor.kit.clock import Clock, isoformat, isoformat_or_none
from resumatch_monitor.kit.durations import format_duration
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.notify.notifier import Integration

_MOST_LABELS = 64
_LONGEST_LABEL = 1024


class TryBody(BaseModel):
    """The labels of an alert that is not there."""

    model_config = ConfigDict(extra="forbid")

    labels: dict[str, str] = Field(max_length=_MOST_LABELS)


def build_router(
    *,
    root: Route,
    is_default: bool,
    plans: Sequence[DigestPlan],
    integrations: Sequence[Integration],
    muter: Muter,
    clock: Clock,
    guard: Guard,
) -> APIRouter:
    """Return the routes under `/api/monitor/routes`.

    Args:
        root: The tree.
        is_default: Whether nobody has configured it.
        plans: The digests that it asks for.
        integrations: All there are.
        muter: What holds alerts back wherever they go.
        clock: Tells when.
        guard: Lets viewers in.
    """
    router = APIRouter(prefix="/api/monitor/routes", dependencies=[Depends(guard.viewer)])
    ids = dict(_name_nodes(root, "0"))

    @router.get("")
    async def get_routes() -> dict[str, Any]:
        now = clock.now()
        return {
            "is_default": is_default,
            "root": _render_node(root, ids),
            "receivers": _render_receivers(integrations),
            "digests": [_render_plan(plan, now) for plan in plans],
        }

    @router.post("/try")
    async def try_labels(body: TryBody) -> dict[str, Any]:
        labels = _check_labels(body.labels)
        now = clock.now()
        alert = Alert(labels, {}, now, AlertSource.MONITOR)
        return {
            "labels": dict(labels),
            "nodes": [ids[id(route)] for route in root.find(labels)],
            "path": sorted(_find_path(root, labels, ids)),
            "told": [
                _render_target(target, alert, ids, integrations)
                for target in find_targets(root, labels).values()
            ],
            "digests": [_render_plan(plan, now) for plan in plans if plan.takes(labels)],
            "mute": _render_mute(muter.find(alert, now)),
        }

    return router


def _name_nodes(route: Route, name: str) -> Sequence[tuple[int, str]]:
    """Return the nodes' names, `0` for the root and `0.1` for its second child, by identity."""
    named = [(id(route), name)]
    for position, child in enumerate(route.routes):
        named.extend(_name_nodes(child, f"{name}.{position}"))
    return named


def _find_path(route: Route, labels: Labels, ids: Mapping[int, str]) -> set[str]:
    """Return the names of all nodes on the way to where `labels` end."""
    ends = {ids[id(each)] for each in route.find(labels)}
    return {
        ".".join(parts[: length + 1])
        for parts in (end.split(".") for end in ends)
        for length in range(len(parts))
    }


def _check_labels(given: Mapping[str, str]) -> Labels:
    for name, value in given.items():
        if not name or len(name) > _LONGEST_LABEL or len(value) > _LONGEST_LABEL:
            raise BadRequestError(
                f"The label {name[:80]!r} is empty or longer than {_LONGEST_LABEL} characters."
            )
    if not given.get(ALERT_NAME):
        raise BadRequestError("An alert has a label alertname; give it one.")
    return Labels.of(given)


def _render_node(route: Route, ids: Mapping[int, str]) -> dict[str, Any]:
    timing = route.timing
    return {
        "id": ids[id(route)],
        "receiver": route.receiver,
        "matchers": render_matchers(route.matchers),
        "group_by": list(route.group_by),
        "group_wait": None if timing.group_wait is None else format_duration(timing.group_wait),
        "group_interval": format_duration(timing.group_interval),
        "repeat_interval": format_duration(timing.repeat_interval),
        "continue": route.is_continued,
        "channels": list(route.channels),
        "digest": route.digest or None,
        "escalation": _render_escalation(route.escalation),
        "mute_time_intervals": list(route.mute_times),
        "active_time_intervals": list(route.active_times),
        "routes": [_render_node(child, ids) for child in route.routes],
    }


def _render_escalation(escalation: Escalation | None) -> dict[str, Any] | None:
    if escalation is None:
        return None
    return {
        "name": escalation.name,
        "steps": [
            {
                "after": format_duration(step.after),
                "receiver": step.receiver,
                "channels": list(step.channels),
                "is_last": step.is_last,
            }
            for step in escalation.steps
        ],
    }


def _render_receivers(integrations: Sequence[Integration]) -> list[dict[str, Any]]:
    by_name: dict[str, list[Integration]] = {}
    for integration in integrations:
        by_name.setdefault(integration.id.receiver, []).append(integration)
    return [
        {"name": name, "integrations": [_render_integration(each) for each in found]}
        for name, found in by_name.items()
    ]


def _render_integration(integration: Integration) -> dict[str, Any]:
    return {
        "kind": integration.id.kind,
        "destination": integration.notifier.destination,
        "send_resolved": integration.send_resolved,
    }


def _render_target(
    target: Target, alert: Alert, ids: Mapping[int, str], integrations: Sequence[Integration]
) -> dict[str, Any]:
    receiver, step = target.group_id.receiver, target.step
    return {
        "node": ids[id(target.route)],
        "receiver": receiver,
        "integrations": [
            _render_integration(each)
            for each in integrations
            if each.id.receiver == receiver
            and (not target.channels or each.id.kind in target.channels)
        ],
        "group_labels": dict(target.route.group_labels(alert.labels)),
        "wait": format_duration(target.timing.wait_for(alert)),
        "after": None if step is None else format_duration(step.after),
    }


def _render_plan(plan: DigestPlan, now: datetime) -> dict[str, Any]:
    return {
        "name": plan.name,
        "receiver": plan.receiver,
        "schedule": plan.word,
        "next_at": isoformat(plan.calendar.next(now)),
        "location": plan.calendar.zone.key,
        "integrations": [_render_integration(each) for each in plan.integrations],
    }


def _render_mute(mute: Mute | None) -> dict[str, Any] | None:
    if mute is None:
        return None
    return {
        "kind": mute.kind.value,
        "by": mute.by,
        "text": mute.text,
        "until": isoformat_or_none(mute.until),
    }
