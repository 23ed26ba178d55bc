"""What dispatch needs to be durable; storage implements it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.occurrence import Occurrence, OccurrenceId
from resumatch_monitor.dispatch.route import GroupId
from resumatch_monitor.notify.notification import Notification
from resumatch_monitor.notify.notifier import IntegrationId


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A notification on its way to one integration.

    Attributes:
        destination: For people to read; without secrets.
    """

    integration: IntegrationId
    destination: str


@dataclass(frozen=True, slots=True)
class GroupState:
    """What outlives the process of a group.

    Attributes:
        anchor_at: When it was last looked at; its next moments are counted from here.
        notified_at: When something was last said.
    """

    anchor_at: datetime
    notified_at: datetime
    thread_id: str


@dataclass(frozen=True, slots=True)
class Flush:
    """Everything that changes because a group speaks: all of it is stored, or nothing.

    Attributes:
        told: Member keys to add to what people believe.
        untold: Member keys to take away from it.
        is_over: The group has no members any more.
        notified: The occurrences that the notification lists.
        notification: None if the group only loses members about which nothing was ever said.
    """

    group_id: GroupId
    anchor_at: datetime
    told: Sequence[str]
    untold: Sequence[str]
    is_over: bool
    notified: Sequence[OccurrenceId]
    notification: Notification | None
    deliveries: Sequence[NewDelivery]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a starting dispatcher needs to know.

    Attributes:
        occurrences: Those about which something may still have to be said, oldest first.
        groups: Those that have spoken and are not over.
        told: By group, the keys of members of which people believe that they fire, and of events
            that were told.
    """

    occurrences: Sequence[Occurrence]
    groups: Mapping[GroupId, GroupState]
    told: Mapping[GroupId, frozenset[str]]


class DispatchStore(Protocol):
    """Keeps alerts and what was said about them."""

    async def put(self, alerts: Sequence[Alert], *, at: datetime) -> list[Occurrence]:
        """Store reports; return the occurrences that changed, in order, once durable."""
        ...

    async def load(self) -> Snapshot:
        """Return what is not settled."""
        ...

    async def record(
        self, flushes: Sequence[Flush], *, settled: Sequence[OccurrenceId], at: datetime
    ) -> None:
        """Store what `flushes` change and put their deliveries into the outbox, atomically.

        Nothing more will be said about the `settled` occurrences.
        """
        ...
