"""Which integrations there are: a line each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from resumatch_monitor.notify.apprise.notifier import AppriseNotifier
from resumatch_monitor.notify.config import ReceiverConfig
from resumatch_monitor.notify.context import NotifierContext
from resumatch_monitor.notify.email.notifier import EmailNotifier
from resumatch_monitor.notify.notifier import Integration, IntegrationId, Notifier
from resumatch_monitor.notify.pagerduty.notifier import PagerDutyNotifier
from resumatch_monitor.notify.slack.notifier import SlackNotifier
from resumatch_monitor.notify.webhook.notifier import WebhookNotifier


class _Sendable(Protocol):
    """What the configurations of all integrations share."""

    @property
    def send_resolved(self) -> bool: ...


Built = tuple[_Sendable, Notifier]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of integration.

    Attributes:
        build: Builds the notifiers of a receiver, each with its configuration.
        concurrency: How many messages may be under way to one destination at once.
        keeps_incidents: It has incidents of its own, which can be acknowledged and resolved.
    """

    build: Callable[[ReceiverConfig, NotifierContext], Sequence[Built]]
    concurrency: int = 4
    keeps_incidents: bool = False


REGISTRY: Mapping[str, Kind] = {
    "email": Kind(lambda r, context: [(c, EmailNotifier(c, context)) for c in r.email], 2),
    # Slack takes about a message a second.
    "slack": Kind(lambda r, context: [(c, SlackNotifier(c, context)) for c in r.slack], 1),
    "webhook": Kind(lambda r, context: [(c, WebhookNotifier(c, context)) for c in r.webhook]),
    # Two at once: PagerDuty limits events by integration key.
    "pagerduty": Kind(
        lambda r, context: [(c, PagerDutyNotifier(c, context)) for c in r.pagerduty],
        2,
        keeps_incidents=True,
    ),
    "apprise": Kind(lambda r, context: [(c, AppriseNotifier(c, context)) for c in r.apprise], 1),
}


def build_integrations(
    receivers: Sequence[ReceiverConfig], context: NotifierContext
) -> list[Integration]:
    """Build everything that notifications can be sent through."""
    return [
        Integration(
            IntegrationId(receiver.name, name, index),
            notifier,
            send_resolved=config.send_resolved,
            concurrency=kind.concurrency,
            keeps_incidents=kind.keeps_incidents,
        )
        for receiver in receivers
        for name, kind in REGISTRY.items()
        for index, (config, notifier) in enumerate(kind.build(receiver, context))
    ]
