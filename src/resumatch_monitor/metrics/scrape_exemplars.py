"""Exemplars that come with scrapes."""

from collections.abc import Sequence
from typing import Protocol

from resumatch_monitor.metrics.exemplars import Exemplar, SeriesExemplars
from resumatch_monitor.metrics.exposition import Exposition
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.writer import PreparedRow


class ExemplarSink(Protocol):
    """Something that exemplars can be written to."""

    async def append(self, found: Sequence[SeriesExemplars]) -> None:
        """Keep exemplars; which of them are too old or too long it knows itself.

        Raises:
            StoreFullError: If the disk is nearly full.
        """
        ...


def list_exemplars(
    exposition: Exposition, prepared: PreparedRow, at_ms: int
) -> list[SeriesExemplars]:
    """Return a scrape's exemplars by the series that its samples became.

    Args:
        exposition: What was scraped.
        prepared: What became of it; what relabelling dropped has no exemplars.
        at_ms: The time of those that come without one.
    """
    found: dict[Labels, list[Exemplar]] = {}
    for position, exemplar in exposition.exemplars.items():
        series = prepared.known.get(exposition.labels[position])
        if series is not None:
            at = at_ms if exemplar.timestamp_ms is None else exemplar.timestamp_ms
            found.setdefault(series, []).append(Exemplar(exemplar.labels.pairs, exemplar.value, at))
    return [
        SeriesExemplars(series, sorted(each, key=lambda one: one.timestamp_ms))
        for series, each in found.items()
    ]
