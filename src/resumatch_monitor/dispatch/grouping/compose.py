"""Turns what a group decides into what is stored and sent."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.grouping.escalation import describe_step
from resumatch_monitor.dispatch.grouping.group import Decision, Group, Reason
from resumatch_monitor.dispatch.policy.channels import choose_integrations
from resumatch_monitor.dispatch.routing.route import Target
from resumatch_monitor.dispatch.store import Announcement, Flush, NewDelivery
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.metrics.labels import Labels, render_labels
from resumatch_monitor.notify.notification import Notice, Notification, build_notice, split_alerts
from resumatch_monitor.notify.notifier import Integration

Dependents = Callable[[Alert], Sequence[Alert]]
"""Returns the alerts that an alert drags along."""

SUMMARY = "summary"
"""Begins the key of messages that stand for many."""

_MOST_DEPENDENTS = 50
_MOST_FLAPS = 10


class Composer:
    """Knows whom a message goes to and what stands in it besides the alerts."""

    def __init__(
        self,
        *,
        integrations: Sequence[Integration],
        clock: Clock,
        ids: Ids,
        external_labels: Labels,
        dependents: Dependents | None,
    ) -> None:
        self._by_receiver = _by_receiver(integrations)
        self._clock = clock
        self._ids = ids
        self._external_labels = external_labels
        self._dependents = dependents

    def integrations_of(self, receiver: str, channels: Sequence[str] = ()) -> Sequence[Integration]:
        """Return a receiver's integrations of the kinds `channels`, or all of them."""
        return choose_integrations(self._by_receiver.get(receiver, ()), channels)

    def describe(
        self, group: Group, target: Target | None, decision: Decision, now: datetime
    ) -> Flush:
        """Return what is stored when `decision`, made at `now`, is carried out."""
        notification = self._compose(group, target, decision) if decision.told else None
        deliveries: list[NewDelivery] = []
        if notification is not None:
            deliveries = self._address(group, target, decision)
        return Flush(
            group_id=group.id,
            anchor_at=now,
            told=decision.added,
            untold=decision.removed,
            is_over=decision.is_over,
            notified=[each.id for each in decision.told] if deliveries else [],
            notification=notification,
            deliveries=deliveries,
        )

    def announce(
        self,
        notice: Notice,
        receiver: str,
        *,
        key: str,
        channels: Sequence[str] = (),
        is_drill: bool = False,
    ) -> Announcement:
        """Return a message to a receiver that is not about the alerts of a group."""
        notification = self._notify(notice, receiver, key=key, is_drill=is_drill)
        return Announcement(notification, _deliver(self.integrations_of(receiver, channels)))

    def summarise(
        self,
        notice: Notice,
        receiver: str,
        alerts: Sequence[Alert],
        deliveries: Sequence[NewDelivery],
    ) -> Announcement:
        """Return the message that stands for those of several groups."""
        listed, firing_count, resolved_count = split_alerts(alerts)
        notification = replace(
            self._notify(notice, receiver, key=SUMMARY),
            alerts=listed,
            firing_count=firing_count,
            resolved_count=resolved_count,
        )
        return Announcement(notification, deliveries)

    def _notify(
        self, notice: Notice, receiver: str, *, key: str, is_drill: bool = False
    ) -> Notification:
        notification_id = self._ids.uuid()
        return build_notice(
            notice,
            notification_id=notification_id,
            receiver=receiver,
            group_key=f"{key}/{notification_id}",
            created_at=self._clock.now(),
            external_labels=self._external_labels,
            is_drill=is_drill,
        )

    def _compose(self, group: Group, target: Target | None, decision: Decision) -> Notification:
        notification_id = self._ids.uuid()
        alerts, firing_count, resolved_count = split_alerts([each.alert for each in decision.told])
        step = target.step if target is not None and firing_count else None
        return Notification(
            id=notification_id,
            thread_id=group.thread_id or notification_id,
            receiver=group.id.receiver,
            group_key=group.id.key,
            group_labels=group.labels,
            alerts=alerts,
            firing_count=firing_count,
            resolved_count=resolved_count,
            created_at=self._clock.now(),
            is_repeat=decision.reason is Reason.REPEAT,
            external_labels=self._external_labels,
            escalation="" if step is None else describe_step(step),
            dependents=self._find_dependents(alerts[:firing_count]),
            mute_note=_describe_mutes(decision),
        )

    def _find_dependents(self, alerts: Sequence[Alert]) -> tuple[Alert, ...]:
        if self._dependents is None:
            return ()
        found: dict[str, Alert] = {}
        for alert in alerts:
            found.update((each.fingerprint, each) for each in self._dependents(alert))
            if len(found) >= _MOST_DEPENDENTS:
                break
        return tuple(found.values())[:_MOST_DEPENDENTS]

    def _address(
        self, group: Group, target: Target | None, decision: Decision
    ) -> list[NewDelivery]:
        channels = () if target is None else target.channels
        return _deliver(
            [
                each
                for each in self.integrations_of(group.id.receiver, channels)
                if each.send_resolved or decision.reason is not Reason.RESOLVED
            ]
        )


def _deliver(integrations: Sequence[Integration]) -> list[NewDelivery]:
    return [NewDelivery(each.id, each.notifier.destination) for each in integrations]


def _describe_mutes(decision: Decision) -> str:
    notes = [f"{render_labels(each.alert.labels)} {flap.text}" for each, flap in decision.flaps]
    if len(notes) > _MOST_FLAPS:
        notes = [*notes[:_MOST_FLAPS], f"and {len(notes) - _MOST_FLAPS} more flap"]
    counts = Counter(mute.text for mute in (decision.held or {}).values())
    if counts:
        count, (text, _) = sum(counts.values()), counts.most_common(1)[0]
        more = "" if len(counts) == 1 else ", and others"
        notes.append(f"{count} more of the group held back: {text}{more}")
    return "\n".join(notes)


def _by_receiver(integrations: Sequence[Integration]) -> Mapping[str, Sequence[Integration]]:
    found: dict[str, list[Integration]] = {}
    for integration in integrations:
        found.setdefault(integration.id.receiver, []).append(integration)
    return found
