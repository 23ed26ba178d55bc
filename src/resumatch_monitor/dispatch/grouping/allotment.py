"""Divides what is to be said at one moment into messages, summaries, and what has to wait."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from resumatch_monitor.dispatch.grouping.budget import Budget, Division, Wish
from resumatch_monitor.dispatch.grouping.compose import Composer
from resumatch_monitor.dispatch.grouping.group import Decision, Group, Reason
from resumatch_monitor.dispatch.grouping.member import member_key
from resumatch_monitor.dispatch.grouping.summary import summarise
from resumatch_monitor.dispatch.routing.route import GroupId
from resumatch_monitor.dispatch.store import Announcement, Flush, NewDelivery
from resumatch_monitor.notify.notifier import IntegrationId

_MOST_FLUSHES = 200
"""Groups that speak in one transaction; the others of the same moment follow at once."""


@dataclass(frozen=True, slots=True)
class Speech:
    """What a group decided, and what is stored when that is carried out."""

    group: Group
    decision: Decision
    flush: Flush


@dataclass(frozen=True, slots=True)
class Batch:
    """What is stored in one transaction.

    Attributes:
        receiver: Whose summary it is; empty for messages of their own.
    """

    speeches: Sequence[Speech]
    announcements: Sequence[Announcement] = ()
    receiver: str = ""


@dataclass(slots=True)
class Allotment:
    """All that is to be done at one moment, in order."""

    batches: list[Batch] = field(default_factory=list[Batch])
    waiting: list[tuple[Group, datetime]] = field(default_factory=list[tuple[Group, datetime]])


class Allotter:
    """Holds the budget against what the groups want to say."""

    def __init__(
        self, *, budget: Budget, composer: Composer, keepers: Collection[IntegrationId]
    ) -> None:
        """Build it.

        Args:
            budget: Counts the messages.
            composer: Builds the summaries.
            keepers: Integrations with incidents of their own, which have to hear of each end.
        """
        self._budget = budget
        self._composer = composer
        self._keepers = frozenset(keepers)

    def allot(self, speeches: Sequence[Speech], now: datetime) -> Allotment:
        """Return what becomes of `speeches`, the gravest of which comes first."""
        free = [each for each in speeches if self._is_free(each)]
        by_receiver: dict[str, list[Speech]] = {}
        for each in speeches:
            if not self._is_free(each):
                by_receiver.setdefault(each.group.id.receiver, []).append(each)
        allotment = Allotment()
        own: list[Speech] = []
        for receiver, wishing in by_receiver.items():
            wishes = [Wish(each.group.id, _is_urgent(each)) for each in wishing]
            division = self._budget.divide(receiver, wishes, now)
            own.extend(wishing[i] for i in division.sent)
            if division.summarised:
                some = [wishing[i] for i in division.summarised]
                allotment.batches.append(self._summarise(receiver, some, division))
            waiting = [wishing[i] for i in division.waiting]
            if division.waits_until is not None:
                allotment.waiting.extend((each.group, division.waits_until) for each in waiting)
            self._budget.note_cap(receiver, division, {each.group.id for each in waiting})
        told = [*own, *free]
        chunks = [told[i : i + _MOST_FLUSHES] for i in range(0, len(told), _MOST_FLUSHES)]
        allotment.batches[:0] = [Batch(chunk) for chunk in chunks]
        return allotment

    def note(self, batch: Batch, now: datetime) -> None:
        """Count what was stored."""
        if batch.receiver:
            group_ids: set[GroupId] = {each.group.id for each in batch.speeches}
            self._budget.note_summary(batch.receiver, group_ids, now)
            return
        for each in batch.speeches:
            if not self._is_free(each):
                self._budget.note_sent(each.group.id.receiver, now)

    def _is_free(self, speech: Speech) -> bool:
        """Tell whether it costs nothing: nobody hears it, or it only ends incidents elsewhere."""
        deliveries = speech.flush.deliveries
        if speech.decision.reason is Reason.RESOLVED:
            return all(each.integration in self._keepers for each in deliveries)
        return not deliveries

    def _summarise(self, receiver: str, speeches: Sequence[Speech], division: Division) -> Batch:
        deliveries: dict[IntegrationId, NewDelivery] = {}
        silent: list[Speech] = []
        for each in speeches:
            kept = self._find_kept(each)
            for delivery in each.flush.deliveries:
                if delivery not in kept:
                    deliveries.setdefault(delivery.integration, delivery)
            silent.append(replace(each, flush=replace(each.flush, deliveries=kept)))
        notice = summarise(
            [each.decision for each in speeches],
            limit=self._budget.limit,
            until=division.capped_until,
            is_escalated=any(_is_escalated(each) for each in speeches),
        )
        announcement = self._composer.summarise(
            notice,
            receiver,
            [occurrence.alert for each in speeches for occurrence in each.decision.told],
            list(deliveries.values()),
        )
        return Batch(silent, [announcement], receiver)

    def _find_kept(self, speech: Speech) -> list[NewDelivery]:
        if speech.decision.reason is not Reason.RESOLVED:
            return []
        return [each for each in speech.flush.deliveries if each.integration in self._keepers]


def _is_urgent(speech: Speech) -> bool:
    decision = speech.decision
    if decision.reason not in (Reason.NEWS, Reason.RESOLVED):
        return False
    fresh = set(decision.fresh)
    return _is_escalated(speech) or any(
        each.alert.severity == "critical"
        and (each.alert.ends_at is not None or member_key(each) in fresh)
        for each in decision.told
    )


def _is_escalated(speech: Speech) -> bool:
    """Tell whether it comes to people because nobody acknowledged it."""
    notification = speech.flush.notification
    return (
        speech.decision.reason is Reason.NEWS
        and notification is not None
        and bool(notification.escalation)
    )
