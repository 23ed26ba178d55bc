"""What evaluating a rule has in common, whatever kind of rule it is."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from resumatch_monitor.alerts.state import ActiveAlert
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.promql.runner import Querier
from resumatch_monitor.promql.value import ExecutionError, InstantVector, ScalarValue
from resumatch_monitor.promql.waiting import Waiting
from resumatch_monitor.rules.data import DataState
from resumatch_monitor.rules.model import Rule, RuleKey
from resumatch_monitor.rules.store import StoredAlert
from resumatch_monitor.rules.writer import SeriesWriter

MOST_SERIES_PER_RULE = 20_000
"""The general limit on what one rule may yield; a group's own `limit` may be lower."""
_STEADY_AFTER = timedelta(minutes=3)
"""A rule that fails now and then is in trouble as one that always does."""


class RuleHealth(StrEnum):
    """How the last evaluation of a rule went."""

    UNKNOWN = "unknown"
    OK = "ok"
    ERROR = "err"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation of a group.

    Attributes:
        at: Its aligned moment.
        query_at: The moment that is looked at, earlier by the group's `query_offset`.
        limit: The most series that one rule may yield.
        longest_gap: A longer time since the evaluation before does not count towards `for`.
        resolves_restored: Whether alerts from before a restart may be resolved yet.
        outage_tolerance: After a longer time a pending alert starts over.
        grace_period: How long a restored alert waits at least.
    """

    at: datetime
    query_at: datetime
    limit: int
    longest_gap: timedelta
    resolves_restored: bool
    outage_tolerance: timedelta
    grace_period: timedelta


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """How a rule is doing.

    Attributes:
        evaluation_seconds: How long its last evaluation took, without what it waited for its turn.
        samples: How many series its expression yielded when it last could be evaluated.
        failing_since: Since when its evaluations fail, all or some; None once none has for a while.
        data: What there was of the series that it reads when that was last looked at.
        no_data_since: Since when nothing is known to be there of what was; None otherwise.
    """

    rule: Rule
    health: RuleHealth
    last_error: str | None
    last_evaluation_at: datetime | None
    evaluation_seconds: float
    samples: int
    alerts: tuple[ActiveAlert, ...]
    failing_since: datetime | None = None
    data: DataState = DataState.UNKNOWN
    no_data_since: datetime | None = None


class RuleRunner(ABC):
    """Evaluates one rule and remembers how that went."""

    def __init__(self, *, rule: Rule, key: RuleKey, writer: SeriesWriter, querier: Querier) -> None:
        self.rule = rule
        self.key = key
        self.writer = writer
        self._querier = querier
        self._health = RuleHealth.UNKNOWN
        self._last_error: str | None = None
        self._last_evaluation_at: datetime | None = None
        self._evaluation_seconds = 0.0
        self._samples = 0
        self._failing_since: datetime | None = None
        self._failed_at: datetime | None = None
        self._data = DataState.UNKNOWN
        self._no_data_since: datetime | None = None
        self._looked_at: datetime | None = None

    @abstractmethod
    async def evaluate(self, evaluation: Evaluation, waiting: Waiting) -> None:
        """Evaluate the rule.

        Args:
            evaluation: What and when.
            waiting: Is told how long its queries waited for others.

        Raises:
            QueryError: If the expression cannot be evaluated; nothing changes then.
        """

    @property
    def alerts(self) -> tuple[ActiveAlert, ...]:
        """The alerts that are pending or firing."""
        return ()

    @property
    def status(self) -> RuleStatus:
        """How the rule is doing."""
        return RuleStatus(
            rule=self.rule,
            health=self._health,
            last_error=self._last_error,
            last_evaluation_at=self._last_evaluation_at,
            evaluation_seconds=self._evaluation_seconds,
            samples=self._samples,
            alerts=self.alerts,
            failing_since=self._failing_since,
            data=self._data,
            no_data_since=self._no_data_since,
        )

    def note_outcome(self, at: datetime, seconds: float, error: str | None) -> None:
        """Remember how an evaluation went."""
        self._health = RuleHealth.OK if error is None else RuleHealth.ERROR
        self._last_error = error
        self._last_evaluation_at = at
        self._evaluation_seconds = seconds
        if error is not None:
            self._failing_since = self._failing_since or at
            self._failed_at = at
        elif self._failed_at is not None and abs(at - self._failed_at) >= _STEADY_AFTER:
            self._failing_since = self._failed_at = None

    @property
    def looked_at(self) -> datetime | None:
        """When the series that it reads were last looked for."""
        return self._looked_at

    @property
    def is_in_trouble(self) -> bool:
        """Whether its evaluations fail or its series are gone."""
        return self._failing_since is not None or self._data is DataState.VANISHED

    def is_data_due(self, now: datetime, interval: timedelta) -> bool:
        """Tell whether it is time to look for the series that the rule reads.

        A rule that yields something has them; of one that cannot be evaluated nothing is known.
        """
        if self._health is not RuleHealth.OK:
            return False
        if self._samples:
            self.note_data(DataState.PRESENT, now)
            return False
        return self._looked_at is None or abs(now - self._looked_at) >= interval

    def note_data(self, state: DataState, at: datetime) -> None:
        """Remember what was found of the series that the rule reads."""
        self._looked_at = at
        if state is not DataState.UNKNOWN:
            has_vanished = state is DataState.VANISHED
            self._no_data_since = (self._no_data_since or at) if has_vanished else None
            self._data = state

    def take_over(self, other: "RuleRunner") -> None:
        """Go on where the runner of the same rule stopped before a reload."""
        self.writer.take_over(other.writer)
        self._health = other._health
        self._last_error = other._last_error
        self._last_evaluation_at = other._last_evaluation_at
        self._evaluation_seconds = other._evaluation_seconds
        self._samples = other._samples
        self._failing_since = other._failing_since
        self._failed_at = other._failed_at
        if self.rule.expr == other.rule.expr:
            self._data = other._data
            self._no_data_since = other._no_data_since
            self._looked_at = other._looked_at

    def knows(self, fingerprint: str) -> bool:
        """Tell whether an alert of the rule is active or has lately ended."""
        return any(alert.labels.fingerprint == fingerprint for alert in self.alerts)

    def release(self, seen_at: datetime) -> list[StoredAlert]:
        """Return what is left to be told when the rule is removed."""
        return [StoredAlert(self.key, alert, seen_at) for alert in self.alerts]

    async def _query(self, evaluation: Evaluation, waiting: Waiting) -> list[tuple[Labels, float]]:
        result = await self._querier.instant(self.rule.expr, evaluation.query_at, waiting=waiting)
        if isinstance(result, ScalarValue):
            self._samples = 1
            return [(Labels(), result.value)]
        if not isinstance(result, InstantVector):
            raise ExecutionError("the expression of a rule must yield a vector or a scalar")
        if len(result.labels) > evaluation.limit:
            raise ExecutionError(
                f"the rule yields {len(result.labels)} series; the limit is {evaluation.limit}"
            )
        self._samples = len(result.labels)
        return list(zip(result.labels, map(float, result.values.tolist()), strict=True))
