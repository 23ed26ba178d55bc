"""What rules over records need to have stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from resumatch_monitor.alerts.state import ActiveAlert


@dataclass(frozen=True, slots=True)
class StoredLogAlert:
    """An alert of a rule as it was last stored.

    Attributes:
        rule: Its rule's name.
        seen_at: When its rule was last known to have been evaluated.
    """

    rule: str
    alert: ActiveAlert
    seen_at: datetime


class LogRuleStates(Protocol):
    """Keeps the states of alerts over restarts. When a call returns, it is durable."""

    async def load(self) -> list[StoredLogAlert]:
        """Return everything that is stored."""
        ...

    async def save(
        self,
        rule: str,
        *,
        changed: Sequence[ActiveAlert],
        removed: Sequence[ActiveAlert],
        seen_at: datetime,
    ) -> None:
        """Store `changed`, forget `removed`, and note `seen_at` for all alerts of the rule."""
        ...
