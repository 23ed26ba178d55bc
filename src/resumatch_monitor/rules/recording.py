"""Evaluates recording rules."""

from typing_extensions import override

from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.metrics.labels import METRIC_NAME, Labels
from resumatch_monitor.promql.runner import Querier
from resumatch_monitor.promql.value import ExecutionError
from resumatch_monitor.promql.waiting import Waiting
from resumatch_monitor.rules.model import RecordingRule, RuleKey
from resumatch_monitor.rules.runner import Evaluation, RuleRunner
from resumatch_monitor.rules.writer import SeriesWriter


class RecordingRunner(RuleRunner):
    """Stores what the expression yields under the rule's name."""

    def __init__(
        self, *, rule: RecordingRule, key: RuleKey, writer: SeriesWriter, querier: Querier
    ) -> None:
        super().__init__(rule=rule, key=key, writer=writer, querier=querier)
        self._added = {**dict(rule.labels), METRIC_NAME: rule.name}

    @override
    async def evaluate(self, evaluation: Evaluation, waiting: Waiting) -> None:
        recorded: dict[Labels, float] = {}
        for labels, value in await self._query(evaluation, waiting):
            series = labels.with_labels(self._added)
            if series in recorded:
                raise ExecutionError(f"the rule's labels make two series the same: {series!r}")
            recorded[series] = value
        await self.writer.write(recorded, to_milliseconds(evaluation.query_at))
