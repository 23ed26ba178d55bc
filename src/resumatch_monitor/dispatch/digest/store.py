"""What digests need to be durable; storage implements it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from resumatch_monitor.dispatch.occurrences.occurrence import Occurrence
from resumatch_monitor.dispatch.store import NewDelivery
from resumatch_monitor.notify.notification import Notification


@dataclass(frozen=True, slots=True)
class DigestRecord:
    """A period that is dealt with, whether or not there was something to say.

    Attributes:
        name: The plan's.
        counts: How often each alert occurred.
    """

    name: str
    starts_at: datetime
    ends_at: datetime
    created_at: datetime
    notification_id: str = ""
    counts: Mapping[str, int] = field(default_factory=dict[str, int])


class DigestStore(Protocol):
    """Keeps what digests have said."""

    async def last(self, name: str, *, until: datetime) -> DigestRecord | None:
        """Return the latest record of a plan that does not end after `until`.

        Later ones were made while the clock was wrong.
        """
        ...

    async def list_occurrences(
        self, starts_at: datetime, ends_at: datetime, *, limit: int
    ) -> list[Occurrence]:
        """Return what held at some time between the two, the newest first.

        An event belongs to the time at which it was reported: it may have waited on its way.
        """
        ...

    async def record(
        self,
        record: DigestRecord,
        notification: Notification | None,
        deliveries: Sequence[NewDelivery],
    ) -> bool:
        """Store a period and put its message into the outbox, atomically.

        Returns:
            False, and nothing is stored, if the period has been recorded before.
        """
        ...

    async def prune_digests(self, before: datetime) -> None:
        """Delete what ended before then but for the latest of each plan."""
        ...
