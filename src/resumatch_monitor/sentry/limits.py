"""How large what SDKs send may be, as Sentry documents it.

https://develop.sentry.dev/sdk/data-model/envelopes/#size-limits
"""

from collections.abc import Mapping
from dataclasses import dataclass

from resumatch_monitor.sentry.items import ItemKind

_KIB = 1024
_MIB = 1024 * _KIB

SESSIONS_MAX = 100
"""Single sessions in an envelope, and groups of them in a `sessions` item."""

_OTHERS: Mapping[ItemKind, int] = {
    # Containers of many.
    ItemKind.SPAN: 10 * _MIB,
    ItemKind.LOG: 10 * _MIB,
    ItemKind.SESSION: 100 * _KIB,
    ItemKind.SESSIONS: 100 * _KIB,
    ItemKind.CHECK_IN: 100 * _KIB,
    ItemKind.PROFILE: 50 * _MIB,
    ItemKind.PROFILE_CHUNK: 50 * _MIB,
    ItemKind.REPLAY_RECORDING: 10 * _MIB,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemLimits:
    """Bounds of single items.

    Attributes:
        event_max_bytes: Of events, transactions and feedback.
        attachment_max_bytes: Of an attachment.
    """

    event_max_bytes: int = _MIB
    attachment_max_bytes: int = 100 * _MIB

    def of(self, kind: ItemKind) -> int:
        """Return how many bytes an item of `kind` may have."""
        if kind is ItemKind.ATTACHMENT:
            return self.attachment_max_bytes
        return _OTHERS.get(kind, self.event_max_bytes)
