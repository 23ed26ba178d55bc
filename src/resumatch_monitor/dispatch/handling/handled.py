"""Alerts with what people made of them, and the questions that lists and pages ask."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from resumatch_monitor.alerts.alert import Alert, AlertStatus
from resumatch_monitor.dispatch.handling.actions import JournalEntry
from resumatch_monitor.dispatch.handling.handling import Handling
from resumatch_monitor.dispatch.muting.mute import Mute, MuteKind
from resumatch_monitor.dispatch.reading import AlertRecord, PageMark


class AlertState(StrEnum):
    """Where an alert is between its rule and the people."""

    PENDING = "pending"
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    SILENCED = "silenced"
    SUPPRESSED = "suppressed"
    RESOLVED = "resolved"


def find_state(
    alert: Alert, handling: Handling | None, mute: Mute | None, now: datetime
) -> AlertState:
    """Return where an alert is that a rule, or whoever raised it, has let go.

    Args:
        alert: It fires, has resolved, or is an event, which is over once it has happened.
        handling: What people made of it.
        mute: Why it is not told.
        now: The present.
    """
    if alert.is_event or alert.status is AlertStatus.RESOLVED:
        return AlertState.RESOLVED
    if handling is not None and handling.is_snoozed(now):
        return AlertState.SNOOZED
    if handling is not None and handling.acknowledged_at is not None:
        return AlertState.ACKNOWLEDGED
    if mute is None or mute.kind in (MuteKind.SNOOZED, MuteKind.ACKNOWLEDGED):
        return AlertState.FIRING
    return AlertState.SILENCED if mute.kind is MuteKind.SILENCED else AlertState.SUPPRESSED


@dataclass(frozen=True, slots=True)
class HandledAlert:
    """An occurrence of an alert, and what people made of it."""

    record: AlertRecord
    handling: Handling | None = None


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts a list holds; an empty field means all."""

    severities: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PastOccurrence:
    """One occurrence of an alert in its history.

    Attributes:
        value: The last one.
        acknowledged_at: When somebody first acknowledged it, even if it was taken back.
    """

    starts_at: datetime
    ends_at: datetime | None
    is_event: bool
    value: float | None
    handling: Handling | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""

    @property
    def duration_seconds(self) -> float | None:
        """How long it lasted; None while it does."""
        return None if self.ends_at is None else (self.ends_at - self.starts_at).total_seconds()

    @property
    def acknowledged_after_seconds(self) -> float | None:
        """How long it was before somebody acknowledged it; None if nobody did."""
        if self.acknowledged_at is None:
            return None
        # The start is the source's word, the acknowledgement the monitor's: clocks differ.
        return max((self.acknowledged_at - self.starts_at).total_seconds(), 0.0)


class HandledReader(Protocol):
    """Answers questions about alerts and what people made of them."""

    async def list_notified(self, fingerprints: Sequence[str]) -> Mapping[str, datetime]:
        """Return when the alerts with these fingerprints were last told, if they were."""
        ...

    async def list_over(
        self, where: AlertFilter, *, after: PageMark | None, limit: int
    ) -> list[HandledAlert]:
        """Return occurrences that are over, and events, what changed last first."""
        ...

    async def get(self, fingerprint: str, starts_at: datetime | None) -> HandledAlert | None:
        """Return an occurrence; the latest one if no start is given."""
        ...

    async def list_past(
        self, fingerprint: str, *, before: datetime | None = None, limit: int
    ) -> list[PastOccurrence]:
        """Return an alert's occurrences, newest first; those that began before then."""
        ...

    async def list_beside(self, record: AlertRecord, *, limit: int) -> list[AlertRecord]:
        """Return other alerts that fired while this occurrence did, the latest first."""
        ...

    async def list_journal(
        self, fingerprint: str, starts_at: datetime, *, limit: int
    ) -> Sequence[JournalEntry]:
        """Return what was done about an occurrence, oldest first; the newest `limit` of it."""
        ...
