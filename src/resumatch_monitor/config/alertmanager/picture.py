"""The routing tree as text."""

from collections.abc import Iterator

from resumatch_monitor.dispatch.matchers import render_matchers
from resumatch_monitor.dispatch.policy.config import AlertingConfig
from resumatch_monitor.dispatch.routing.build import build_route
from resumatch_monitor.dispatch.routing.route import Route
from resumatch_monitor.kit.durations import format_duration
from resumatch_monitor.notify.config import ReceiverConfig

_KINDS = ("email", "slack", "webhook", "pagerduty", "apprise")


def draw_routes(config: AlertingConfig) -> str:
    """Return the tree that `config` describes, and what its receivers send through."""
    root = build_route(config)
    lines = [f"every alert  {_describe(root, None)}", *_draw(root, "")]
    lines += ["", "receivers:"]
    lines += [f"  {each.name}: {_list_kinds(each)}" for each in config.receivers]
    return "\n".join(lines)


def _draw(route: Route, indent: str) -> Iterator[str]:
    for index, child in enumerate(route.routes):
        is_last = index == len(route.routes) - 1
        branch, space = ("└── ", "    ") if is_last else ("├── ", "│   ")
        yield f"{indent}{branch}{render_matchers(child.matchers)}  {_describe(child, route)}"
        yield from _draw(child, indent + space)


def _describe(route: Route, parent: Route | None) -> str:
    """Return who is told; and how, where that is not as in the route above."""
    said = [f"receiver: {route.receiver}"]
    if parent is None or parent.group_by != route.group_by:
        said.append(f"group_by: {', '.join(route.group_by) or 'nothing'}")
    if parent is None or parent.timing != route.timing:
        timing = route.timing
        wait = "" if timing.group_wait is None else f"wait {format_duration(timing.group_wait)}, "
        interval, repeat = timing.group_interval, timing.repeat_interval
        said.append(f"{wait}interval {format_duration(interval)}, repeat {format_duration(repeat)}")
    if route.is_continued:
        said.append("continue")
    return "  ".join(said)


def _list_kinds(receiver: ReceiverConfig) -> str:
    counts = {kind: len(getattr(receiver, kind)) for kind in _KINDS}
    named = [kind if count == 1 else f"{kind} ({count})" for kind, count in counts.items() if count]
    return ", ".join(named) or "nothing"
