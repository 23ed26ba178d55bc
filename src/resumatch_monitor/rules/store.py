"""What the rules need to have stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from resumatch_monitor.alerts.state import ActiveAlert
from resumatch_monitor.rules.model import RuleKey


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert of a rule as it was last stored.

    Attributes:
        key: Of its rule.
        alert: Pending or firing.
        seen_at: When its rule was last known to have been evaluated.
    """

    key: RuleKey
    alert: ActiveAlert
    seen_at: datetime


class RuleStateStore(Protocol):
    """Keeps the states of alerts over restarts. When a call returns, it is durable."""

    async def load(self) -> list[StoredAlert]:
        """Return everything that is stored."""
        ...

    async def save(
        self,
        key: RuleKey,
        *,
        changed: Sequence[ActiveAlert],
        removed: Sequence[ActiveAlert],
        seen_at: datetime,
    ) -> None:
        """Store `changed`, forget `removed`, and note `seen_at` for all alerts of the rule."""
        ...
