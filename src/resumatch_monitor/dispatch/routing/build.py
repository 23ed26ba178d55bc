"""Builds the routing tree from the configuration."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from resumatch_monitor.dispatch.matchers import parse_matchers, render_matchers
from resumatch_monitor.dispatch.policy.config import AlertingConfig, choose_root_receiver
from resumatch_monitor.dispatch.policy.policy_config import EscalationConfig
from resumatch_monitor.dispatch.policy.route_config import NO_ESCALATION, RouteConfig
from resumatch_monitor.dispatch.routing.route import Escalation, EscalationStep, Route, Timing

_GROUP_BY = ("alertname",)
_TIMING = Timing(None, timedelta(minutes=1), timedelta(hours=4))


def build_route(config: AlertingConfig) -> Route:
    """Build the tree that `config` describes, or that of the house."""
    policy = config.policy
    above = Route(
        receiver=choose_root_receiver(config),
        matchers=(),
        group_by=_GROUP_BY,
        timing=_TIMING,
        is_continued=False,
        routes=(),
        path="",
    )
    escalations = {each.name: each for each in policy.escalations}
    root = _build_node(policy.route, above, "", escalations)
    places = {(node.receiver, node.path, _mark(node)) for node in root.walk() if not node.digest}
    ambiguous = Counter((receiver, path) for receiver, path, _ in places)
    return _mark_twins(root, {place for place, count in ambiguous.items() if count > 1})


def _build_node(
    config: RouteConfig, above: Route, prefix: str, escalations: Mapping[str, EscalationConfig]
) -> Route:
    matchers = tuple(matcher for text in config.matchers for matcher in parse_matchers(text))
    path = prefix + render_matchers(matchers)
    receiver = config.receiver or above.receiver
    digest = above.digest if config.digest is None else config.digest
    node = Route(
        receiver=receiver,
        matchers=matchers,
        group_by=above.group_by if config.group_by is None else tuple(config.group_by),
        timing=_inherit_timing(config, above.timing),
        is_continued=config.continue_,
        routes=(),
        path=path,
        channels=above.channels if config.channels is None else tuple(config.channels),
        digest="" if digest == "none" else digest,
        escalation=_build_escalation(config.escalation, above, receiver, escalations),
        mute_times=tuple(config.mute_time_intervals),
        active_times=tuple(config.active_time_intervals),
    )
    children = tuple(_build_node(child, node, f"{path}/", escalations) for child in config.routes)
    return replace(node, routes=children)


def _inherit_timing(config: RouteConfig, above: Timing) -> Timing:
    return Timing(
        above.group_wait if config.group_wait is None else config.group_wait,
        config.group_interval or above.group_interval,
        config.repeat_interval or above.repeat_interval,
    )


def _build_escalation(
    own: str | None, above: Route, receiver: str, escalations: Mapping[str, EscalationConfig]
) -> Escalation | None:
    name = own
    if name is None:
        name = NO_ESCALATION if above.escalation is None else above.escalation.name
    if name == NO_ESCALATION:
        return None
    steps = escalations[name].steps
    return Escalation(
        name,
        tuple(
            EscalationStep(
                after=step.after,
                receiver=step.receiver or receiver,
                channels=tuple(step.channels),
                number=number,
                is_last=number == len(steps),
            )
            for number, step in enumerate(steps, 1)
        ),
    )


def _mark(node: Route) -> str:
    parts = [",".join(node.channels)] if node.channels else []
    if node.escalation is not None:
        parts.append(f"^{node.escalation.name}")
    return f"#{'#'.join(parts)}" if parts else ""


def _mark_twins(node: Route, twins: set[tuple[str, str]]) -> Route:
    mark = "" if node.digest or (node.receiver, node.path) not in twins else _mark(node)
    children = tuple(_mark_twins(child, twins) for child in node.routes)
    return replace(node, mark=mark, routes=children)
