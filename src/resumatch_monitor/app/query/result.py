"""The answer to a query, wherever it comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Point = tuple[float, str]
"""Seconds since the epoch, and a value as Prometheus writes it."""


@dataclass(frozen=True, slots=True)
class ResultSeries:
    """A series and its points, in the order of time."""

    labels: Mapping[str, str]
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class QueryResult:
    """A query's answer.

    Attributes:
        kind: `vector`, `matrix`, `scalar` or `string`.
        series: A scalar or a string is one without labels.
        remarks: Warnings and hints.
    """

    kind: str
    series: Sequence[ResultSeries]
    remarks: Sequence[str] = field(default_factory=list[str])
