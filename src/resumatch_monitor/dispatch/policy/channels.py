"""The kinds of integrations, as routes and escalations name them."""

from collections.abc import Sequence
from typing import get_origin

from resumatch_monitor.notify.config import ReceiverConfig
from resumatch_monitor.notify.notifier import Integration

PAGER = "pagerduty"
MAIL = "email"


def known_channels() -> tuple[str, ...]:
    """Return the kinds of integrations that a receiver can have."""
    fields = ReceiverConfig.model_fields.items()
    return tuple(name for name, info in fields if get_origin(info.annotation) is list)


def channels_of(receiver: ReceiverConfig | None) -> tuple[str, ...]:
    """Return the kinds of integrations that `receiver` has."""
    if receiver is None:
        return ()
    return tuple(kind for kind in known_channels() if getattr(receiver, kind))


def choose_integrations(
    integrations: Sequence[Integration], channels: Sequence[str]
) -> list[Integration]:
    """Return those of a receiver's `integrations` that are of the kinds `channels`, or all."""
    return [each for each in integrations if not channels or each.id.kind in channels]
