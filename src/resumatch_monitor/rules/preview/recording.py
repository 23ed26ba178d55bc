"""Tries a recording rule on the stored data."""

from collections.abc import Iterator

import numpy as np

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.metrics.labels import METRIC_NAME, Labels
from resumatch_monitor.metrics.samples import ABSENT, is_absent
from resumatch_monitor.promql.parse import FEATURES, parse
from resumatch_monitor.promql.runner import QueryRunner
from resumatch_monitor.promql.value import Matrix
from resumatch_monitor.rules.model import RecordingRule
from resumatch_monitor.rules.preview.advice import advise_data
from resumatch_monitor.rules.preview.chart import Drawn, draw
from resumatch_monitor.rules.preview.firing import Grid
from resumatch_monitor.rules.preview.model import PreviewWarning, RecordingPreview, WarningKind

_MANY_SERIES = 1000


async def try_recording(
    queries: QueryRunner, clock: Clock, rule: RecordingRule, grid: Grid
) -> RecordingPreview:
    """Return what `rule` would have recorded at the moments of `grid`, or at fewer of them.

    Raises:
        QueryError: If it cannot be evaluated.
    """
    recorder = _Recorder(rule)
    drawn = await draw(queries, clock, grid, expr=rule.expr, change=recorder.record)
    data = await advise_data(
        queries,
        rule,
        parse(rule.expr, features=FEATURES),
        start_ms=drawn.grid.start_ms,
        end_ms=grid.end_ms,
    )
    return RecordingPreview(
        from_ms=drawn.grid.start_ms,
        to_ms=grid.end_ms,
        step_ms=drawn.grid.step_ms,
        interval_ms=grid.step_ms,
        is_cut=drawn.grid.start_ms - grid.start_ms >= drawn.grid.step_ms,
        series=len(drawn.chart.labels) + drawn.chart.left_out,
        most_at_once=drawn.most_at_once,
        chart=drawn.chart,
        warnings=[*_advise(drawn, recorder.duplicate), *data],
    )


class _Recorder:
    """Gives series the name and the labels of a rule, as an evaluation does."""

    def __init__(self, rule: RecordingRule) -> None:
        self._added = {**dict(rule.labels), METRIC_NAME: rule.name}
        self.duplicate: Labels | None = None

    def record(self, matrix: Matrix) -> Matrix:
        """Return what is recorded; nothing at the moments at which two series become the same."""
        rows: dict[Labels, int] = {}
        places = np.array(
            [
                rows.setdefault(labels.with_labels(self._added), len(rows))
                for labels in matrix.labels
            ],
            np.intp,
        )
        if len(rows) == len(matrix.labels):
            return Matrix(matrix.timestamps, list(rows), matrix.values)
        values = np.full((len(rows), len(matrix.timestamps)), ABSENT)
        counts = np.zeros(values.shape, np.intp)
        is_there = ~is_absent(matrix.values)
        np.add.at(counts, places, is_there)
        for row, place in enumerate(places):
            values[place, is_there[row]] = matrix.values[row, is_there[row]]
        doubled = counts > 1
        if doubled.any():
            self.duplicate = list(rows)[int(np.argmax(doubled.any(axis=1)))]
            # The whole evaluation fails.
            values[:, doubled.any(axis=0)] = ABSENT
        return Matrix(matrix.timestamps, list(rows), values)


def _advise(drawn: Drawn, duplicate: Labels | None) -> Iterator[PreviewWarning]:
    if duplicate is not None:
        yield PreviewWarning(
            WarningKind.DUPLICATE,
            f"The rule's labels make two series the same, {duplicate!r}: such an evaluation fails,"
            " and nothing is recorded. Aggregate away what the labels replace.",
            "labels",
        )
    elif not drawn.most_at_once:
        yield PreviewWarning(
            WarningKind.NOTHING_RECORDED, "It would have recorded nothing in this time."
        )
    if drawn.most_at_once > _MANY_SERIES:
        yield PreviewWarning(
            WarningKind.TOO_MANY,
            f"It records {drawn.most_at_once} series at a time, each of which is stored as if it"
            " were scraped: aggregate more, if queries do not need them all.",
        )
