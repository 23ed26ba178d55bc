"""Performance as the API shows it."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from resumatch_monitor.api.performance_lines import (
    QUANTILES,
    EndpointLine,
    mean_apdex,
    merge_figures,
    ratio,
    render_quantiles,
    to_seconds,
)
from resumatch_monitor.kit.clock import isoformat
from resumatch_monitor.tracing.performance.config import PerformanceConfig
from resumatch_monitor.tracing.performance.model import DURATION, OTHER, PARTS, VITALS
from resumatch_monitor.tracing.performance.relay import describe
from resumatch_monitor.tracing.performance.sketch import Distribution, apdex
from resumatch_monitor.tracing.performance.store import (
    EndpointKey,
    Example,
    Figures,
    Finding,
    FindingIssue,
    StatementDetail,
    StatementLine,
    Step,
    Window,
)
from resumatch_monitor.tracing.performance.vitals import THRESHOLDS, rate_vital, split_vital

_SPARK_BARS = 30
_POINTS_MAX = 144
_LEAST_COMPARED = 10
_BARS_PER_DECADE = 8


class PerformanceRenderer:
    """Renders what was counted in one window."""

    def __init__(
        self,
        window: Window,
        *,
        now_ms: int,
        config: PerformanceConfig,
        slug_of: Callable[[int], str],
    ) -> None:
        """Build it.

        Args:
            window: The window.
            now_ms: The present: a window may reach beyond it.
            config: Thresholds.
            slug_of: The slug of a project.
        """
        self._window = window
        self._config = config
        self._slug_of = slug_of
        elapsed_ms = min(window.end_ms, max(now_ms, window.start_ms + 1)) - window.start_ms
        self._minutes = max(elapsed_ms, 1_000) / 60_000

    def render_window(self) -> dict[str, Any]:
        """Return the times that were really asked for."""
        return {
            "from_ms": self._window.start_ms,
            "to_ms": self._window.end_ms,
            "step_seconds": self._window.step_seconds,
        }

    def measure(self, key: EndpointKey, figures: Figures, before: Figures) -> EndpointLine:
        """Return an endpoint's line."""
        distribution = figures.distribution()
        slug = self._slug_of(key.project_id)
        threshold = self._config.find_apdex_threshold(slug, key.name, key.op)
        threshold_us = threshold.total_seconds() * 1e6
        p95, p95_before = distribution.quantile(0.95), before.distribution().quantile(0.95)
        is_comparable = min(figures.seen, before.seen) >= _LEAST_COMPARED
        change = p95 / p95_before if is_comparable and p95 and p95_before else None
        return EndpointLine(
            key=key,
            figures=figures,
            before=before,
            distribution=distribution,
            threshold_us=threshold_us,
            apdex=apdex(distribution, threshold_us),
            p95_before=p95_before,
            change=change,
        )

    def join(
        self, found: Mapping[tuple[EndpointKey, str], Sequence[Figures]]
    ) -> list[EndpointLine]:
        """Return one line of what has one name, whatever its operations; none without figures."""
        if not found:
            return []
        key = next(iter(found))[0]
        now, before = Figures(), Figures()
        for (_, measure), (one, other) in found.items():
            if measure == DURATION:
                merge_figures(now, one)
                merge_figures(before, other)
        return [self.measure(key, now, before)]

    def render_line(self, line: EndpointLine) -> dict[str, Any]:
        """Return ENDPOINT of docs/http-api.md."""
        figures, before = line.figures, line.before
        return {
            "project_id": line.key.project_id,
            "project": self._slug_of(line.key.project_id),
            "name": line.key.name,
            "op": line.key.op,
            "is_other": line.key.name == OTHER,
            "count": figures.count,
            "is_extrapolated": figures.is_extrapolated,
            "per_minute": figures.count / self._minutes,
            "failure_rate": ratio(figures.failed, figures.count),
            "apdex": line.apdex,
            "apdex_threshold_seconds": line.threshold_us / 1e6,
            **render_quantiles(line.distribution),
            "mean_seconds": ratio(figures.total / 1e6, figures.count),
            "total_seconds": figures.total / 1e6,
            "change": line.change,
            "before": {
                "count": before.count,
                "failure_rate": ratio(before.failed, before.count),
                "p95_seconds": to_seconds(line.p95_before),
            },
            "spark": self._render_spark(figures),
        }

    def render_totals(self, lines: Sequence[EndpointLine]) -> dict[str, Any]:
        """Return what all endpoints together had."""
        total, before = Figures(), Figures()
        for line in lines:
            merge_figures(total, line.figures)
            merge_figures(before, line.before)
        distribution = total.distribution()
        return {
            "count": total.count,
            "is_extrapolated": total.is_extrapolated,
            "per_minute": total.count / self._minutes,
            "failure_rate": ratio(total.failed, total.count),
            "apdex": mean_apdex(lines),
            **render_quantiles(distribution),
            "before": {
                "count": before.count,
                "failure_rate": ratio(before.failed, before.count),
                "p95_seconds": to_seconds(before.distribution().quantile(0.95)),
            },
        }

    def render_steps(self, steps: Sequence[Step]) -> dict[str, Any]:
        """Return the columns of charts, at most 144 points."""
        window = self._window
        count = (window.end_ms - window.start_ms) // (window.step_seconds * 1_000)
        per_point = max(1, math.ceil(count / _POINTS_MAX))
        point_ms = per_point * window.step_seconds * 1_000
        points: dict[int, Figures] = {}
        for step in steps:
            merge_figures(
                points.setdefault((step.at_ms - window.start_ms) // point_ms, Figures()),
                step.figures,
            )
        places = range(math.ceil((window.end_ms - window.start_ms) / point_ms))
        columns: dict[str, list[float | None]] = {
            name: [] for name in ("per_minute", "failure_rate", *QUANTILES)
        }
        for place in places:
            figures = points.get(place) or Figures()
            columns["per_minute"].append(figures.count / (point_ms / 60_000))
            columns["failure_rate"].append(ratio(figures.failed, figures.count))
            distribution = figures.distribution()
            for name, quantile in QUANTILES.items():
                columns[name].append(to_seconds(distribution.quantile(quantile)))
        return {"t": [window.start_ms + place * point_ms for place in places], "series": columns}

    def render_histogram(self, lines: Sequence[EndpointLine]) -> list[dict[str, Any]]:
        """Return how durations are distributed, an eighth of a decade a bar."""
        if not lines or not lines[0].distribution.count:
            return []
        distribution = lines[0].distribution
        least, most = distribution.quantile(0.0) or 1.0, distribution.quantile(1.0) or 1.0
        first = math.floor(math.log10(least) * _BARS_PER_DECADE)
        last = max(first, math.ceil(math.log10(most * 1.01) * _BARS_PER_DECADE))
        bounds = [10 ** (number / _BARS_PER_DECADE) for number in range(first, last + 1)]
        counts = distribution.count_between(bounds)[1:-1]
        return [
            {"from_seconds": low / 1e6, "to_seconds": high / 1e6, "count": count}
            for low, high, count in zip(bounds, bounds[1:], counts, strict=False)
        ]

    def render_parts(self, parts: Mapping[str, Figures]) -> list[dict[str, Any]]:
        """Return on what the time was spent, the most first."""
        total = sum(figures.total for figures in parts.values())
        return sorted(
            (
                {
                    "part": part,
                    "spans": parts[part].count,
                    "total_seconds": parts[part].total / 1e6,
                    "share": ratio(parts[part].total, total),
                }
                for part in PARTS
                if part in parts
            ),
            key=lambda each: -float(each["total_seconds"] or 0),
        )

    def render_example(self, example: Example) -> dict[str, Any]:
        """Return a slow one."""
        return {
            "trace_id": example.trace_id,
            "span_id": example.span_id,
            "name": example.name,
            "duration_seconds": example.duration_us / 1e6,
            "at": isoformat(example.at),
            "status": "error" if example.is_failed else "ok",
        }

    def render_finding(self, finding: Finding) -> dict[str, Any]:
        """Return FINDING of docs/http-api.md."""
        return {
            "id": str(finding.id),
            "kind": finding.kind,
            "summary": describe(finding),
            "title": finding.title,
            "project_id": finding.project_id,
            "project": self._slug_of(finding.project_id),
            "endpoint": finding.endpoint,
            "op": finding.op,
            "environment": finding.environment,
            "count": finding.count,
            "most_repeats": finding.most_repeats,
            "longest_seconds": finding.longest_us / 1e6,
            "total_seconds": finding.total_us / 1e6,
            "first_seen_at": isoformat(finding.first_seen_at),
            "last_seen_at": isoformat(finding.last_seen_at),
            "examples": [self.render_example(each) for each in finding.examples],
            "issue": None if finding.issue is None else _render_issue(finding.issue),
        }

    def render_vitals(
        self, found: Mapping[tuple[EndpointKey, str], Sequence[Figures]]
    ) -> list[dict[str, Any]]:
        """Return the vitals of each route, the most visited first."""
        routes: dict[tuple[int, str], dict[tuple[EndpointKey, str], Sequence[Figures]]] = {}
        for place, figures in found.items():
            key = (place[0].project_id, place[0].name)
            routes.setdefault(key, {})[place] = figures
        lines: list[tuple[float, dict[str, Any]]] = []
        for (project_id, name), parts in routes.items():
            vitals = self.render_vitals_of_one(parts)
            most = max((float(each["count"]) for each in vitals.values()), default=0.0)
            if vitals:
                line = {"project_id": project_id, "project": self._slug_of(project_id)}
                lines.append((most, {**line, "name": name, "vitals": vitals}))
        return [line for _, line in sorted(lines, key=lambda each: (-each[0], each[1]["name"]))]

    def render_vitals_of_one(
        self, found: Mapping[tuple[EndpointKey, str], Sequence[Figures]]
    ) -> dict[str, Any]:
        """Return VITAL of docs/http-api.md, by name."""
        merged: dict[str, Figures] = {}
        for (_, vital), (figures, *_) in found.items():
            merge_figures(merged.setdefault(vital, Figures()), figures)
        rendered: dict[str, Any] = {}
        for vital in VITALS:
            distribution = merged[vital].distribution() if vital in merged else Distribution([])
            value = distribution.quantile(0.75)
            if value is None:
                continue
            good, improvable, poor = split_vital(vital, distribution)
            rendered[vital] = {
                "p75": value / 1e6,
                "rating": rate_vital(vital, value),
                "count": distribution.count,
                "good": good,
                "needs_improvement": improvable,
                "poor": poor,
                "thresholds": [bound / 1e6 for bound in THRESHOLDS[vital]],
            }
        return rendered

    def render_statements(self, lines: Sequence[StatementLine], sort: str) -> list[dict[str, Any]]:
        """Return STATEMENT of docs/http-api.md, the largest first."""
        total = sum(line.figures.total for line in lines)
        rendered = [self._render_statement_line(line, total) for line in lines]
        name = {
            "count": "count",
            "p95": "p95_seconds",
            "failures": "failure_rate",
        }.get(sort, "total_seconds")
        return sorted(rendered, key=lambda each: (-(each[name] or 0.0), each["text"]))

    def render_statement(self, found: StatementDetail) -> dict[str, Any]:
        """Return one statement with who calls it."""
        total = found.line.figures.total
        return {
            **self.render_window(),
            "statement": self._render_statement_line(found.line, total),
            "callers": [
                {
                    "project_id": key.project_id,
                    "name": key.name,
                    "op": key.op,
                    "count": figures.count,
                    "share": ratio(figures.total, total),
                    "total_seconds": figures.total / 1e6,
                    **render_quantiles(figures.distribution()),
                }
                for key, figures in found.callers[:50]
            ],
            **self.render_steps(found.steps),
            "examples": [self.render_example(each) for each in found.examples],
        }

    def _render_statement_line(self, line: StatementLine, total: float) -> dict[str, Any]:
        figures = line.figures
        return {
            "id": str(line.id),
            "project_id": line.project_id,
            "project": self._slug_of(line.project_id),
            "text": line.text,
            "operation": line.operation,
            "system": line.system,
            "tables": list(line.tables),
            "count": figures.count,
            "per_minute": figures.count / self._minutes,
            "failure_rate": ratio(figures.failed, figures.count),
            "mean_seconds": ratio(figures.total / 1e6, figures.count),
            **render_quantiles(figures.distribution()),
            "total_seconds": figures.total / 1e6,
            "share": ratio(figures.total, total),
            "endpoints": line.endpoints,
        }

    def _render_spark(self, figures: Figures) -> list[float]:
        window = self._window
        count = max(1, (window.end_ms - window.start_ms) // (window.step_seconds * 1_000))
        bars = [0.0] * min(_SPARK_BARS, count)
        for step, amount in figures.by_step.items():
            bars[min(len(bars) - 1, step * len(bars) // count)] += amount
        return [round(bar, 2) for bar in bars]


def _render_issue(issue: FindingIssue) -> dict[str, Any]:
    return {
        "id": str(issue.id),
        "short_id": issue.short_id,
        "status": issue.status,
        "is_regressed": issue.is_regressed,
    }
