"""What the outbox needs to be durable; storage implements it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from resumatch_monitor.dispatch.store import NewDelivery
from resumatch_monitor.notify.notification import Notification
from resumatch_monitor.notify.notifier import IntegrationId

LONGEST_RETRY_AFTER = timedelta(hours=1)
"""A destination that asks for more patience is asked again after this."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A delivery that failed and was handed to a fallback."""

    integration: IntegrationId
    error: str


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A delivery whose time has come.

    Attributes:
        attempts: How many have failed.
        queued_at: When it was put into the outbox, or put back by a person.
        remaining: The recipients that are left from an earlier attempt; empty means all.
        origin: What failed, if this goes to a fallback in its place.
    """

    id: int
    notification: Notification
    key: str
    attempts: int
    queued_at: datetime
    remaining: tuple[str, ...]
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt: sent, to be retried at `next_attempt_at`, or failed for good.

    Attributes:
        is_sent: The destination has accepted it.
        error: Why it failed, or what went wrong although it was sent.
        detail: What the destination said when it accepted it.
        heirs: Who gets it if it failed for good; if it was sent, those of them who got in its place
            what the incident began with get it as well.
    """

    at: datetime
    is_sent: bool
    error: str = ""
    detail: str = ""
    next_attempt_at: datetime | None = None
    remaining: tuple[str, ...] = ()
    heirs: tuple[NewDelivery, ...] = ()


class OutboxStore(Protocol):
    """Keeps deliveries."""

    async def take_due(
        self, integration: IntegrationId, *, now: datetime, limit: int
    ) -> list[DueDelivery]:
        """Return deliveries that are due, at most one a group, the oldest of each."""
        ...

    async def next_due_at(self, integration: IntegrationId) -> datetime | None:
        """Return when `take_due` will return something; None if nothing waits."""
        ...

    async def mark(self, delivery_id: int, outcome: Outcome) -> None:
        """Store what became of an attempt, and hand it on to its heirs, atomically.

        No integration gets a notification twice, so nothing goes in a circle.
        """
        ...

    async def abandon_others(
        self,
        known: Collection[IntegrationId],
        *,
        heirs: Mapping[str, Sequence[NewDelivery]],
        last_resort: Sequence[NewDelivery],
        at: datetime,
    ) -> int:
        """Fail what waits for integrations that are not `known`; return how many.

        Args:
            known: The integrations that there are.
            heirs: By receiver, who gets what waited for an integration of it that is gone.
            last_resort: Who gets what waited for a receiver that is gone.
            at: When.
        """
        ...

    async def last_sent_at(self) -> Mapping[IntegrationId, datetime]:
        """Return when each integration last accepted something."""
        ...

    async def count_waiting(self) -> Mapping[IntegrationId, int]:
        """Return how many deliveries wait, by integration."""
        ...
