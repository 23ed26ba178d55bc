"""How alerts, and what people made of them, look in answers."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from resumatch_monitor.alerts.alert import Alert, AlertStatus
from resumatch_monitor.dispatch.handling.handled import AlertState, HandledAlert, find_state
from resumatch_monitor.dispatch.handling.handling import Handling
from resumatch_monitor.dispatch.muting.mute import Mute
from resumatch_monitor.dispatch.occurrences.occurrence import OccurrenceId
from resumatch_monitor.dispatch.reading import AlertRecord
from resumatch_monitor.kit.clock import Clock, isoformat, isoformat_or_none
from resumatch_monitor.metrics.labels import Labels

_TURN_SIZE = 250


@dataclass(frozen=True, slots=True)
class StandingAlert:
    """An alert and where it stands at one moment."""

    alert: Alert
    state: AlertState
    mute: Mute | None = None
    handling: Handling | None = None
    notified_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether somebody has to look at it."""
        return self.state is AlertState.FIRING

    def render(self, receivers: Sequence[str]) -> dict[str, Any]:
        """Render ALERT."""
        alert, is_pending = self.alert, self.state is AlertState.PENDING
        status = AlertStatus.RESOLVED if alert.is_event else alert.status
        return {
            **_render(alert, "pending" if is_pending else status.value, receivers),
            "ends_at": isoformat_or_none(alert.starts_at if alert.is_event else alert.ends_at),
            "notified_at": isoformat_or_none(self.notified_at),
            "state": self.state.value,
            "mute": None if self.mute is None else render_mute(self.mute),
            "handling": None if self.handling is None else render_handling(self.handling),
        }


@dataclass(frozen=True, slots=True)
class Standings:
    """Tells where alerts stand.

    Attributes:
        firing: What fires.
        find_handling: What people made of an occurrence that is not over.
        pending: The alerts whose condition has not held for long enough, most recent first.
        mute_of: Why an alert is not told for now.
        mutes_of: Everything that holds it back, whichever of it comes first.
    """

    firing: Iterable[Alert]
    find_handling: Callable[[OccurrenceId], Handling | None]
    pending: Callable[[], Sequence[Alert]]
    mute_of: Callable[[Alert, datetime], Mute | None]
    mutes_of: Callable[[Alert, datetime], Sequence[Mute]]
    receivers: Callable[[Labels], Sequence[str]]
    clock: Clock

    def judge(self, handled: HandledAlert) -> StandingAlert:
        """Tell where a stored occurrence stands."""
        standing = self._judge(handled.record.alert, handled.handling, self.clock.now())
        return replace(standing, notified_at=handled.record.notified_at)

    def find_mutes(self, alert: Alert) -> list[Mute]:
        """Return everything that holds an alert back that fires, the main reason first."""
        if alert.is_event or alert.status is AlertStatus.RESOLVED:
            return []
        now = self.clock.now()
        main = self.mute_of(alert, now)
        others = [mute for mute in self.mutes_of(alert, now) if mute != main]
        return others if main is None else [main, *others]

    def judge_firing(self, alerts: Iterable[Alert]) -> Iterator[StandingAlert]:
        """Tell where alerts stand that fire."""
        now = self.clock.now()
        for alert in alerts:
            handling = self.find_handling(OccurrenceId(alert.fingerprint, alert.starts_at))
            yield self._judge(alert, handling, now)

    async def count_open(self) -> Counter[str]:
        """Return, by severity, how many fire and are neither in hand nor held back."""
        counts: Counter[str] = Counter()
        # A copy, in parts: others have their turn while a storm is counted.
        firing = list(self.firing)
        for start in range(0, len(firing), _TURN_SIZE):
            standing = self.judge_firing(firing[start : start + _TURN_SIZE])
            counts.update(each.alert.severity for each in standing if each.is_open)
            await asyncio.sleep(0)
        return counts

    def list_pending(self) -> list[StandingAlert]:
        """Return the pending alerts, most recent first."""
        return [StandingAlert(each, AlertState.PENDING) for each in self.pending()]

    def _judge(self, alert: Alert, handling: Handling | None, now: datetime) -> StandingAlert:
        is_over = alert.is_event or alert.status is AlertStatus.RESOLVED
        mute = None if is_over else self.mute_of(alert, now)
        return StandingAlert(alert, find_state(alert, handling, mute, now), mute, handling)

    def render(self, standing: StandingAlert) -> dict[str, Any]:
        """Render ALERT."""
        return standing.render(self.receivers(standing.alert.labels))


def render_alert(record: AlertRecord, *, receivers: Sequence[str]) -> dict[str, Any]:
    """Render an alert as briefly as the first page needs it."""
    return render_alert_briefly(record.alert, receivers=receivers, notified_at=record.notified_at)


def render_alert_briefly(
    alert: Alert, *, receivers: Sequence[str], notified_at: datetime | None = None
) -> dict[str, Any]:
    """Render ALERT without what people and policies made of it."""
    # An event has no duration: it is over when it is told.
    status = AlertStatus.RESOLVED if alert.is_event else alert.status
    return {
        **_render(alert, status.value, receivers),
        "ends_at": isoformat_or_none(alert.starts_at if alert.is_event else alert.ends_at),
        "notified_at": isoformat_or_none(notified_at),
    }


def render_handling(handling: Handling) -> dict[str, Any]:
    """Render HANDLING."""
    return {
        "acknowledged_at": isoformat_or_none(handling.acknowledged_at),
        "acknowledged_by": handling.acknowledged_by or None,
        "snoozed_until": isoformat_or_none(handling.snoozed_until),
        "assignee": handling.assignee or None,
        "resolved_at": isoformat_or_none(handling.resolved_at),
        "resolved_by": handling.resolved_by or None,
        "outcome": None if handling.outcome is None else handling.outcome.value,
    }


def render_mute(mute: Mute) -> dict[str, Any]:
    """Render MUTE."""
    return {
        "kind": mute.kind.value,
        "by": mute.by,
        "text": mute.text,
        "until": isoformat_or_none(mute.until),
    }


def render_number(value: float | None) -> float | None:
    """Return a number that JSON has: neither infinity nor NaN."""
    return value if value is not None and abs(value) < float("inf") else None


def _render(alert: Alert, status: str, receivers: Sequence[str]) -> dict[str, Any]:
    return {
        "fingerprint": alert.fingerprint,
        "name": alert.name,
        "severity": alert.severity,
        "status": status,
        "source": alert.source.value,
        "is_event": alert.is_event,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "starts_at": isoformat(alert.starts_at),
        "value": render_number(alert.value),
        "path": alert.generator_path or f"/alerts/{alert.fingerprint}",
        "receivers": list(receivers),
    }
