"""Sends the alerts of a drill the way of real ones, without a trace in what real ones do.

The routing tree, the integrations and the outbox are the real ones. The groups are not: a drill
joins no group, holds none up, and its messages have keys of their own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.grouping.escalation import describe_step
from resumatch_monitor.dispatch.policy.channels import PAGER, choose_integrations
from resumatch_monitor.dispatch.routing.route import Route, Target, find_digests, find_targets
from resumatch_monitor.dispatch.store import Announcement, DispatchStore, NewDelivery
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.metrics.labels import NO_LABELS, Labels
from resumatch_monitor.notify.notification import Notification, split_alerts
from resumatch_monitor.notify.notifier import Integration, IntegrationId

DRILL_LABEL = "drill"
DRILL_PREFIX = "drill/"
"""What the keys of a drill's groups begin with; the drill's id and a slash follow."""


def find_drill_id(group_key: str) -> str:
    """Return the drill that a group's key names; empty if it is a real group's."""
    if not group_key.startswith(DRILL_PREFIX):
        return ""
    return group_key.removeprefix(DRILL_PREFIX).partition("/")[0]


@dataclass(frozen=True, slots=True)
class SentDrill:
    """What was put into the outbox for one group.

    Attributes:
        notification: None if nobody was told.
        wait: How long a real alert would wait for company.
        after: Without acknowledgement, until a real alert comes here; zero unless escalated.
        told: The integrations that get it.
        spared: Pagers that do not.
    """

    receiver: str
    group_labels: Labels
    wait: timedelta
    after: timedelta
    notification: Notification | None
    told: Sequence[IntegrationId]
    spared: Sequence[IntegrationId]


class DrillSender:
    """Puts messages marked as a drill into the real outbox."""

    def __init__(
        self,
        *,
        store: DispatchStore,
        route: Route,
        integrations: Sequence[Integration],
        external_labels: Labels = NO_LABELS,
        on_outbox_change: Callable[[], None],
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._store = store
        self._route = route
        self._integrations = tuple(integrations)
        self._external_labels = external_labels
        self._on_outbox_change = on_outbox_change
        self._clock = clock
        self._ids = ids

    def digests_of(self, alert: Alert) -> list[str]:
        """Return the digests that would list `alert`, for people."""
        found = find_digests(self._route, _without_mark(alert.labels))
        return list(dict.fromkeys(f"{route.receiver}, {route.digest}" for route in found))

    async def send(self, key: str, alerts: Sequence[Alert], *, pages: bool) -> list[SentDrill]:
        """Say that `alerts` fire; in the outbox, durably, when this returns.

        Args:
            key: Of the drill.
            alerts: Of one rule, marked.
            pages: Whether pagers are told, and escalations carried out at once.
        """
        groups: dict[str, tuple[Target, list[Alert]]] = {}
        for alert in alerts:
            for group_id, target in find_targets(self._route, _without_mark(alert.labels)).items():
                if target.step is None or pages:
                    name = f"{group_id.receiver}\xff{group_id.key}"
                    groups.setdefault(name, (target, []))[1].append(alert)
        sent = [self._build(key, target, members, pages) for target, members in groups.values()]
        await self._record([each for each in sent if each.notification is not None])
        return sent

    async def resolve(self, sent: Sequence[SentDrill], ends_at: datetime) -> None:
        """Say that what was sent is over, to integrations that want to hear of that."""
        ended: list[SentDrill] = []
        for each in sent:
            if each.notification is None or each.notification.alerts[0].is_event:
                continue
            alerts = [
                replace(alert, ends_at=max(ends_at, alert.starts_at))
                for alert in each.notification.alerts
            ]
            told = [
                integration.id
                for integration in self._integrations
                if integration.id in each.told and integration.send_resolved
            ]
            notification = replace(
                each.notification,
                id=self._ids.uuid(),
                alerts=tuple(alerts),
                firing_count=0,
                resolved_count=len(alerts),
                created_at=self._clock.now(),
                escalation="",
            )
            if told:
                ended.append(replace(each, notification=notification, told=told))
        await self._record(ended)

    def _build(self, key: str, target: Target, alerts: Sequence[Alert], pages: bool) -> SentDrill:
        receiver = target.group_id.receiver
        own = [each for each in self._integrations if each.id.receiver == receiver]
        chosen = choose_integrations(own, target.channels)
        told = [each.id for each in chosen if pages or each.id.kind != PAGER]
        group_labels = target.route.group_labels(_without_mark(alerts[0].labels))
        notification: Notification | None = None
        if told:
            listed, firing_count, _ = split_alerts(alerts)
            notification_id = self._ids.uuid()
            notification = Notification(
                id=notification_id,
                thread_id=notification_id,
                receiver=receiver,
                group_key=f"{DRILL_PREFIX}{key}/{target.group_id.key}",
                group_labels=group_labels,
                alerts=listed,
                firing_count=firing_count,
                resolved_count=0,
                created_at=self._clock.now(),
                external_labels=self._external_labels,
                is_drill=True,
                escalation="" if target.step is None else describe_step(target.step),
            )
        return SentDrill(
            receiver=receiver,
            group_labels=group_labels,
            wait=target.timing.wait_for(alerts[0]),
            after=timedelta(0) if target.step is None else target.step.after,
            notification=notification,
            told=told,
            spared=[each.id for each in chosen if each.id not in told],
        )

    async def _record(self, sent: Sequence[SentDrill]) -> None:
        destinations = {each.id: each.notifier.destination for each in self._integrations}
        announcements = [
            Announcement(
                each.notification, [NewDelivery(id_, destinations[id_]) for id_ in each.told]
            )
            for each in sent
            if each.notification is not None
        ]
        if not announcements:
            return
        await self._store.record([], settled=[], at=self._clock.now(), announcements=announcements)
        self._on_outbox_change()


def _without_mark(labels: Labels) -> Labels:
    """Return the labels by which a real alert is routed."""
    return labels.with_labels({DRILL_LABEL: ""})
