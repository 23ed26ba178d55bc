"""The routing policy in Alertmanager's own words, for its clients."""

from collections.abc import Sequence
from typing import Any

import yaml

from resumatch_monitor.dispatch.policy.config import (
    DEFAULT_RECEIVER,
    AlertingConfig,
    choose_root_receiver,
)
from resumatch_monitor.dispatch.policy.interval_config import NamedIntervalConfig
from resumatch_monitor.dispatch.policy.route_config import RouteConfig
from resumatch_monitor.dispatch.policy.suppression_config import InhibitRuleConfig
from resumatch_monitor.kit.durations import format_duration

_REMARK = """\
# What the monitor's own configuration says, in Alertmanager's words. It has none for digests,
# escalations, quiet hours and dependencies; how receivers are reached is not shown.
"""


def render_alertmanager_config(config: AlertingConfig) -> str:
    """Return a valid `alertmanager.yml` with the routes, intervals and inhibitions of `config`."""
    names = {DEFAULT_RECEIVER: None, **{each.name: None for each in config.receivers}}
    document: dict[str, Any] = {
        "global": {"resolve_timeout": format_duration(config.resolve_timeout)},
        "route": _render_route(config.policy.route, choose_root_receiver(config)),
    }
    if config.inhibit_rules:
        document["inhibit_rules"] = [_render_rule(each) for each in config.inhibit_rules]
    document["receivers"] = [{"name": name} for name in names]
    if config.time_intervals:
        document["time_intervals"] = _render_intervals(config.time_intervals)
    dumped: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    return _REMARK + dumped


def _render_route(route: RouteConfig, receiver: str | None) -> dict[str, Any]:
    timing = {
        "group_wait": route.group_wait,
        "group_interval": route.group_interval,
        "repeat_interval": route.repeat_interval,
    }
    rendered = {
        "receiver": receiver or route.receiver,
        "matchers": list(route.matchers),
        "group_by": None if route.group_by is None else list(route.group_by),
        **{name: format_duration(each) for name, each in timing.items() if each is not None},
        "mute_time_intervals": list(route.mute_time_intervals),
        "active_time_intervals": list(route.active_time_intervals),
        "continue": route.continue_,
        "routes": [_render_route(each, None) for each in route.routes],
    }
    return {
        name: value
        for name, value in rendered.items()
        if value or (name == "group_by" and value is not None)
    }


def _render_rule(rule: InhibitRuleConfig) -> dict[str, list[str]]:
    return {
        "source_matchers": list(rule.source_matchers),
        "target_matchers": list(rule.target_matchers),
        "equal": list(rule.equal),
    }


def _render_intervals(intervals: Sequence[NamedIntervalConfig]) -> list[dict[str, Any]]:
    return [each.model_dump(mode="json", exclude_none=True) for each in intervals]
