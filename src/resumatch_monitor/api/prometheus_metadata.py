"""What Prometheus' API tells of targets, metrics' metadata, rules and alerts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resumatch_monitor.api.prometheus_answer import render_data
from resumatch_monitor.api.prometheus_params import Params, RuleFilter, parse_matchers
from resumatch_monitor.metrics.exposition_lines import Metadata
from resumatch_monitor.metrics.labels import Matcher

Supply = Callable[[], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class TargetMetadata:
    """What one target says of its metrics."""

    labels: Mapping[str, str]
    metadata: Mapping[str, Metadata]


@dataclass(frozen=True, slots=True)
class Suppliers:
    """Where the answers come from.

    Attributes:
        rules: The `data` of `/rules`: `{"groups": […]}`.
        alerts: The `data` of `/alerts`: `{"alerts": […]}`.
        targets: The `data` of `/targets`: `{"activeTargets": […], "droppedTargets": […]}`.
        scrape_pools: The names of the jobs.
        target_metadata: What each target says.
        metadata: What each target says, and what came in other ways.
    """

    rules: Callable[[RuleFilter], Mapping[str, Any]]
    alerts: Supply
    targets: Supply
    scrape_pools: Callable[[], Sequence[str]]
    target_metadata: Callable[[], Iterable[TargetMetadata]]
    metadata: Callable[[], Iterable[Mapping[str, Metadata]]]


class MetadataHandlers:
    """Answers with what other parts of the monitor know."""

    def __init__(self, suppliers: Suppliers) -> None:
        self._suppliers = suppliers

    async def metadata(self, params: Params) -> bytes:
        """Tell what is known of the metrics."""
        limit, per_metric = params.count("limit"), params.count("limit_per_metric")
        metric = params.text("metric")
        found: dict[str, dict[Metadata, None]] = {}
        for said in self._suppliers.metadata():
            names = (metric,) if metric else said
            for name in names:
                if name in said:
                    found.setdefault(name, {})[said[name]] = None
        return render_data(
            {
                name: [_render_metadata(each) for each in list(found[name])[: per_metric or None]]
                for name in sorted(found)[:limit]
            }
        )

    async def target_metadata(self, params: Params) -> bytes:
        """Tell what each target says of its metrics."""
        limit, metric = params.count("limit"), params.text("metric")
        matchers = _read_target_matchers(params)
        rows: list[dict[str, Any]] = []
        for target in self._suppliers.target_metadata():
            if not all(each.matches(target.labels.get(each.name, "")) for each in matchers):
                continue
            if limit is not None and len(rows) >= limit:
                break
            rows += _render_target_metadata(target, metric)
        return render_data(rows[:limit])

    async def targets(self, params: Params) -> bytes:
        """Tell how the targets are doing."""
        state, pool = params.text("state").lower(), params.text("scrapePool")
        data = dict(self._suppliers.targets())
        if state not in ("", "any", "active"):
            data["activeTargets"] = []
        if state not in ("", "any", "dropped"):
            data["droppedTargets"] = []
        if pool:
            for key in ("activeTargets", "droppedTargets"):
                data[key] = [each for each in data[key] if each.get("scrapePool") == pool]
        return render_data(data)

    async def scrape_pools(self, _: Params) -> bytes:
        """List the jobs."""
        return render_data({"scrapePools": sorted(set(self._suppliers.scrape_pools()))})

    async def rules(self, params: Params) -> bytes:
        """Tell how the rules are doing."""
        return render_data(self._suppliers.rules(params.rule_filter()))

    async def alerts(self, _: Params) -> bytes:
        """List the alerts that are pending or firing."""
        return render_data(self._suppliers.alerts())

    async def alertmanagers(self, _: Params) -> bytes:
        """List the Alertmanagers that alerts are sent to: the monitor dispatches them itself."""
        return render_data({"activeAlertmanagers": [], "droppedAlertmanagers": []})


def _read_target_matchers(params: Params) -> tuple[Matcher, ...]:
    text = params.text("match_target")
    return parse_matchers(text, name="match_target") if text else ()


def _render_target_metadata(target: TargetMetadata, metric: str) -> list[dict[str, Any]]:
    labels = dict(target.labels)
    if metric:
        said = target.metadata.get(metric)
        return [] if said is None else [{"target": labels, **_render_metadata(said)}]
    return [
        {"target": labels, "metric": name, **_render_metadata(said)}
        for name, said in target.metadata.items()
    ]


def _render_metadata(said: Metadata) -> dict[str, str]:
    return {"type": said.type, "help": said.help, "unit": said.unit}
