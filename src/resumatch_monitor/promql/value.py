"""What a query evaluates to, and how it can fail."""

from collections.abc import Sequence
from dataclasses import dataclass

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import FloatArray, SeriesBlock, TimeArray


@dataclass(frozen=True, slots=True)
class ScalarValue:
    """A number without labels."""

    timestamp_ms: int
    value: float


@dataclass(frozen=True, slots=True)
class StringValue:
    """A string literal."""

    timestamp_ms: int
    value: str


@dataclass(frozen=True, slots=True, eq=False)
class InstantVector:
    """S series with one value each, at one moment.

    Attributes:
        labels: The S distinct label sets.
        values: (S,); never absent or stale.
    """

    timestamp_ms: int
    labels: Sequence[Labels]
    values: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class RangeVector:
    """Raw samples, the value of an instant query for `metric[5m]`."""

    blocks: Sequence[SeriesBlock]


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """S series over T steps, the value of every range query.

    Attributes:
        timestamps: (T,) milliseconds, evenly spaced.
        labels: The S distinct label sets.
        values: (S, T); `ABSENT` where a series has no value. No series is absent throughout.
    """

    timestamps: TimeArray
    labels: Sequence[Labels]
    values: FloatArray


InstantValue = ScalarValue | StringValue | InstantVector | RangeVector


class QueryError(Exception):
    """The query is not well-formed or its types do not fit: 400 `bad_data`."""


class UnsupportedError(QueryError):
    """The query uses a construct that this engine does not have, named in the message: 422."""


class ExecutionError(QueryError):
    """The query is well-formed and cannot be evaluated on this data: 422 `execution`."""


class QueryLimitError(ExecutionError):
    """The query would take more samples or points than is allowed."""


class QueryTooLongError(QueryLimitError):
    """The text of the query is too long or too deeply nested: 400 `bad_data`."""


class StoreUnavailableError(ExecutionError):
    """The server that keeps the samples does not answer: 503 `unavailable`."""


class QueryTimeoutError(ExecutionError):
    """The query took longer than is allowed: 503 `timeout`."""
