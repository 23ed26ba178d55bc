"""Expands the labels and annotations of an alerting rule for one series."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from resumatch_monitor.alerts.alert import ALERT_NAME
from resumatch_monitor.alerts.state import Observation
from resumatch_monitor.metrics.labels import METRIC_NAME, Labels
from resumatch_monitor.promql.runner import Querier
from resumatch_monitor.promql.value import InstantValue, InstantVector, QueryError, ScalarValue
from resumatch_monitor.promql.waiting import Waiting
from resumatch_monitor.rules.model import AlertingRule
from resumatch_monitor.rules.telemetry import RuleTelemetry
from resumatch_monitor.rules.template import (
    QueryNeededError,
    TemplateData,
    TemplateError,
    TemplateSample,
    expand_template,
)

logger = logging.getLogger(__name__)

MOST_QUERIES_PER_TEMPLATE = 10
_MOST_QUERY_SERIES = 1_000

_Ask = Callable[[str], Awaitable[Sequence[TemplateSample]]]


@dataclass(frozen=True, slots=True)
class TemplateWorld:
    """What templates may show beside the alert.

    Attributes:
        external_labels: `global.external_labels`.
        external_url: Without a slash at its end.
    """

    external_labels: Labels
    external_url: str


class AlertRenderer:
    """Makes an observation of a series."""

    def __init__(self, *, querier: Querier, world: TemplateWorld, telemetry: RuleTelemetry) -> None:
        self._querier = querier
        self._world = world
        self._telemetry = telemetry

    async def observe(
        self, rule: AlertingRule, series: Labels, value: float, at: datetime, waiting: Waiting
    ) -> Observation:
        """Return what `series` means to `rule`; a template that fails says so in its own text.

        Args:
            rule: Whose labels and annotations are expanded.
            series: One that its expression yielded.
            value: What it yielded.
            at: When.
            waiting: Is told how long the templates' queries waited for others.
        """
        data = TemplateData(
            labels=series,
            value=value,
            external_labels=self._world.external_labels,
            external_url=self._world.external_url,
            now_seconds=at.timestamp(),
        )

        async def ask(query: str) -> Sequence[TemplateSample]:
            return _to_samples(await self._querier.instant(query, at, waiting=waiting))

        labels = {name: await self._expand(rule, text, data, ask) for name, text in rule.labels}
        annotations = {
            name: await self._expand(rule, text, data, ask) for name, text in rule.annotations
        }
        identity = series.with_labels({**labels, METRIC_NAME: "", ALERT_NAME: rule.name})
        return Observation(identity, annotations, value)

    async def _expand(self, rule: AlertingRule, text: str, data: TemplateData, ask: _Ask) -> str:
        try:
            return await _expand_with_queries(text, data, ask)
        except (TemplateError, QueryError) as error:
            self._telemetry.template_failures.inc()
            logger.warning("A template of the rule %s failed: %s", rule.name, error)
            return f"<error expanding template: {error}>"


async def _expand_with_queries(text: str, data: TemplateData, ask: _Ask) -> str:
    for _ in range(MOST_QUERIES_PER_TEMPLATE + 1):
        try:
            return expand_template(text, data)
        except QueryNeededError as needed:
            results = {**data.query_results, needed.query: await ask(needed.query)}
            data = replace(data, query_results=results)
    raise TemplateError(f"more than {MOST_QUERIES_PER_TEMPLATE} queries in a template")


def _to_samples(result: InstantValue) -> Sequence[TemplateSample]:
    if isinstance(result, ScalarValue):
        return [TemplateSample({}, result.value)]
    if not isinstance(result, InstantVector):
        raise TemplateError("query: the expression must yield a vector or a scalar")
    pairs = zip(result.labels, result.values.tolist(), strict=True)
    return [TemplateSample(labels, float(value)) for labels, value in pairs][:_MOST_QUERY_SERIES]
