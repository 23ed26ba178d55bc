"""What dispatch needs to be durable; storage implements it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.occurrences.flapping import Change
from resumatch_monitor.dispatch.occurrences.occurrence import Occurrence, OccurrenceId
from resumatch_monitor.dispatch.routing.route import GroupId
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
        anchor_at: When the group was looked at; stored as wall time.
        told: Keys to add to what people were told: of members, or of marks on them.
        untold: Keys to take away from it, before others are added.
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
class Announcement:
    """A message that is not about the alerts of a group, and where it goes."""

    notification: Notification
    deliveries: Sequence[NewDelivery]


@dataclass(frozen=True, slots=True)
class PastMessage:
    """A message to a receiver that was sent before a restart."""

    receiver: str
    at: datetime
    is_summary: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a starting dispatcher needs to know.

    Attributes:
        occurrences: Those about which something may still have to be said, oldest first.
        groups: Those that have spoken and are not over.
        told: By group, when people were told: the keys are those of members of which they believe
            that they fire, of marks on these, and of events.
        changes: When alerts began and ended lately.
        messages: What was sent in the last hour.
    """

    occurrences: Sequence[Occurrence]
    groups: Mapping[GroupId, GroupState]
    told: Mapping[GroupId, Mapping[str, datetime]]
    changes: Sequence[Change] = ()
    messages: Sequence[PastMessage] = ()


class DispatchStore(Protocol):
    """Keeps alerts and what was said about them."""

    async def put(self, alerts: Sequence[Alert], *, at: datetime) -> list[Occurrence]:
        """Store reports that come in at a wall time.

        Returns:
            The occurrences that changed, in order, once durable.
        """
        ...

    async def load(
        self, *, changed_since: datetime | None = None, sent_since: datetime | None = None
    ) -> Snapshot:
        """Return what is not settled, and what changed and what was sent since then."""
        ...

    async def record(
        self,
        flushes: Sequence[Flush],
        *,
        settled: Sequence[OccurrenceId],
        at: datetime,
        announcements: Sequence[Announcement] = (),
    ) -> None:
        """Store what `flushes` change and put all deliveries into the outbox, atomically.

        Nothing more will be said about the `settled` occurrences.
        """
        ...

    async def close(
        self, occurrence_ids: Sequence[OccurrenceId], *, at: datetime, until: datetime
    ) -> list[Occurrence]:
        """End occurrences in the name of a person, all at once; return those that did fire.

        Reports of the same stretches are not heard until `until`. Both times are wall times.
        """
        ...
