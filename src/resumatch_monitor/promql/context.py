"""What the evaluation of one query carries along: data, moments, limits and remarks."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from resumatch_monitor.metrics.samples import Queryable, TimeArray
from resumatch_monitor.promql.ast import AtEdge
from resumatch_monitor.promql.crew import ALONE, Crew
from resumatch_monitor.promql.value import QueryLimitError

DEFAULT_LOOKBACK_MS = 5 * 60 * 1000
DEFAULT_SUBQUERY_STEP_MS = 60 * 1000
DEFAULT_MAX_SAMPLES = 20_000_000
_MOST_ANNOTATIONS = 20


def no_checkpoint() -> None:
    """Never run out of time."""


@dataclass(frozen=True, slots=True)
class Options:
    """How queries are evaluated.

    Attributes:
        lookback_ms: How old a sample may be and still be a series' value.
        subquery_step_ms: The step of subqueries that name none.
        max_samples: How many samples a query may load and make.
        features: Prometheus' names of the experimental features that are allowed.
    """

    lookback_ms: int = DEFAULT_LOOKBACK_MS
    subquery_step_ms: int = DEFAULT_SUBQUERY_STEP_MS
    max_samples: int = DEFAULT_MAX_SAMPLES
    features: frozenset[str] = frozenset()


@dataclass(slots=True)
class Annotations:
    """Remarks on a query's result that do not make it an error; each is kept once."""

    warnings: dict[str, None] = field(default_factory=dict[str, None])
    infos: dict[str, None] = field(default_factory=dict[str, None])

    def warn(self, message: str, place: str = "") -> None:
        """Add a warning: the result is likely not what was meant.

        Args:
            message: What is wrong, in Prometheus' words.
            place: What part of the query it is about, as `line:column`; empty if unknown.
        """
        if len(self.warnings) < _MOST_ANNOTATIONS:
            self.warnings[_annotate("PromQL warning", message, place)] = None

    def inform(self, message: str, place: str = "") -> None:
        """Add a hint; as `warn`."""
        if len(self.infos) < _MOST_ANNOTATIONS:
            self.infos[_annotate("PromQL info", message, place)] = None


def _annotate(kind: str, message: str, place: str) -> str:
    return f"{kind}: {message} ({place})" if place else f"{kind}: {message}"


class Context:
    """One query's evaluation. Not for use by several threads at once."""

    def __init__(
        self,
        queryable: Queryable,
        *,
        start_ms: int,
        end_ms: int,
        step_ms: int = 0,
        options: Options,
        checkpoint: Callable[[], None] = no_checkpoint,
        crew: Crew = ALONE,
    ) -> None:
        self.crew = crew
        self.queryable = queryable
        self.options = options
        self.annotations = Annotations()
        self.checkpoint = checkpoint
        self.start_ms = start_ms
        self.end_ms = end_ms
        self.step_ms = step_ms
        self._sample_count = 0
        self.loaded_count = 0

    @property
    def sample_count(self) -> int:
        """How many samples were loaded and made."""
        return self._sample_count

    def mark(self) -> tuple[int, int]:
        """Return what has been counted so far, for `reset`."""
        return self._sample_count, self.loaded_count

    def reset(self, mark: tuple[int, int]) -> None:
        """Forget what has been counted since: it is not held any more."""
        self._sample_count, self.loaded_count = mark

    def count_loaded(self, count: int) -> None:
        """Account for samples that come from the store.

        Raises:
            QueryLimitError: If they are too many.
        """
        self.loaded_count += count
        self.count_samples(count)

    def count_samples(self, count: int) -> None:
        """Account for samples that are loaded or made.

        Raises:
            QueryLimitError: If they are too many.
        """
        self._sample_count += count
        if self._sample_count > self.options.max_samples:
            raise QueryLimitError(
                "query processing would load too many samples into memory in query execution"
            )

    def look_at(self, steps: TimeArray, *, offset_ms: int, at: int | AtEdge | None) -> TimeArray:
        """Return the moments that `offset` and `@` point to at each of `steps`, (T,)."""
        if at is None:
            return steps - offset_ms
        if at is AtEdge.START:
            moment = self.start_ms
        elif at is AtEdge.END:
            moment = self.end_ms
        else:
            moment = int(at)
        return np.full(len(steps), moment - offset_ms, dtype=np.int64)
