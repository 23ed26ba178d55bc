"""Alerts and deliveries as pages of the monitor show them, and the questions that they ask."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from resumatch_monitor.alerts.alert import Alert, AlertStatus
from resumatch_monitor.notify.notification import Notification
from resumatch_monitor.notify.notifier import IntegrationId


class DeliveryStatus(StrEnum):
    """Where a delivery is on its way.

    Superseded: a newer notification says everything that it would have said.
    """

    QUEUED = "queued"
    RETRYING = "retrying"
    SENT = "sent"
    FAILED = "failed"
    SUPERSEDED = "superseded"


class StepKind(StrEnum):
    """What can happen to a delivery on its way."""

    QUEUED = "queued"
    ATTEMPT_FAILED = "attempt_failed"
    ACCEPTED = "accepted"
    FAILED = "failed"
    FELL_BACK = "fell_back"
    ACKNOWLEDGED = "acknowledged"
    SUPERSEDED = "superseded"
    REQUEUED = "requeued"


@dataclass(frozen=True, slots=True)
class PageMark:
    """Where a page of a list begins: after the item with this time and id, newest first."""

    at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """An alert as it is stored.

    Attributes:
        mark: Its place in lists.
        notified_at: When a notification last listed it.
    """

    alert: Alert
    mark: PageMark
    notified_at: datetime | None


@dataclass(frozen=True, slots=True)
class Transition:
    """An alert began to fire, or resolved."""

    at: datetime
    status: AlertStatus
    alert: Alert


@dataclass(frozen=True, slots=True)
class Period:
    """One past or present occurrence of an alert."""

    starts_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class MentionedAlert:
    """An alert that a notification is about."""

    fingerprint: str
    name: str
    status: str


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """A notification on its way to one integration.

    Attributes:
        detail: What the destination said when it accepted it.
        origin_id: The delivery that failed and in whose place this one goes to a fallback.
        heir_ids: The deliveries that went to a fallback in place of this one.
        drill_id: The drill that it belongs to, whose alerts are nowhere else; else empty.
    """

    id: int
    receiver: str
    integration: str
    destination: str
    status: DeliveryStatus
    kind: str
    title: str
    created_at: datetime
    sent_at: datetime | None
    attempts: int
    last_error: str
    next_attempt_at: datetime | None
    alerts: Sequence[MentionedAlert]
    detail: str = ""
    origin_id: int | None = None
    heir_ids: Sequence[int] = ()
    drill_id: str = ""


@dataclass(frozen=True, slots=True)
class DeliveryStep:
    """Something that happened to a delivery; `detail` says it in the provider's words."""

    at: datetime
    kind: StepKind
    detail: str


@dataclass(frozen=True, slots=True)
class DeliveryDetail:
    """A delivery with what it says and its way, the oldest step first."""

    record: DeliveryRecord
    notification: Notification
    steps: Sequence[DeliveryStep]


@dataclass(frozen=True, slots=True)
class DeliveryQuery:
    """Which deliveries; None and empty for all.

    Attributes:
        text: Part of the title, an alert's name, the destination or a step's words.
        since: Queued at that time or later.
        until: Queued before.
    """

    status: DeliveryStatus | None = None
    receiver: str | None = None
    integration: str | None = None
    fingerprint: str | None = None
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class LastFailure:
    """What last went wrong with an integration."""

    at: datetime
    error: str


class AlertReader(Protocol):
    """Answers questions about alerts."""

    async def list_alerts(
        self,
        *,
        status: AlertStatus | None,
        severity: str | None,
        after: PageMark | None,
        limit: int,
    ) -> list[AlertRecord]:
        """Return alerts, what changed last first; events count as resolved."""
        ...

    async def get_alert(self, fingerprint: str) -> AlertRecord | None:
        """Return the latest occurrence of an alert."""
        ...

    async def get_history(self, fingerprint: str, *, limit: int) -> list[Period]:
        """Return an alert's occurrences, newest first."""
        ...

    async def count_firing(self) -> Mapping[str, int]:
        """Return how many alerts fire, by severity."""
        ...

    async def list_transitions(self, since: datetime, *, limit: int) -> list[Transition]:
        """Return what began and ended since then, newest first."""
        ...


class DeliveryReader(Protocol):
    """Answers questions about deliveries, and puts failed ones back."""

    async def list_deliveries(
        self,
        *,
        status: DeliveryStatus | None = None,
        fingerprint: str | None = None,
        before_id: int | None = None,
        limit: int,
    ) -> list[DeliveryRecord]:
        """Return deliveries, newest first."""
        ...

    async def get_delivery(self, delivery_id: int) -> DeliveryRecord | None:
        """Return one."""
        ...

    async def requeue(self, delivery_id: int, *, at: datetime) -> bool:
        """Queue a failed delivery again; False if it is not there or has not failed."""
        ...

    async def count_failed(self, since: datetime) -> int:
        """Return how many deliveries have failed for good since then."""
        ...


class DeliveryLog(Protocol):
    """Answers questions about the way of deliveries."""

    async def find_deliveries(
        self, wanted: DeliveryQuery, *, before_id: int | None, limit: int
    ) -> list[DeliveryRecord]:
        """Return the deliveries that are wanted, newest first."""
        ...

    async def get_detail(self, delivery_id: int) -> DeliveryDetail | None:
        """Return one with what it says and its way."""
        ...

    async def last_failures(self) -> Mapping[IntegrationId, LastFailure]:
        """Return what last went wrong with each integration."""
        ...

    async def last_sent_at(self) -> Mapping[IntegrationId, datetime]:
        """Return when each integration last accepted something."""
        ...

    async def count_waiting(self) -> Mapping[IntegrationId, int]:
        """Return how many deliveries wait, by integration."""
        ...
