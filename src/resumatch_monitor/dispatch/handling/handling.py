"""What people made of an occurrence of an alert: acknowledged, snoozed, assigned, judged."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from resumatch_monitor.dispatch.occurrences.occurrence import OccurrenceId


class Outcome(StrEnum):
    """What an occurrence turned out to be, in the words of a person."""

    REAL = "real"
    NOISE = "noise"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Handling:
    """What people made of one occurrence.

    Attributes:
        acknowledged_at: Since when somebody works on it; it is then neither repeated nor
            escalated.
        acknowledged_by: Who; empty for nobody.
        snoozed_until: Until when nobody wants to hear of it; afterwards it is told anew, and its
            escalation begins anew.
        assignee: Who should work on it; empty for nobody.
        resolved_at: When a person ended it.
        resolved_until: Until when it is then not heard of; None for as long as is usual.
        outcome: None as long as nobody has said.
    """

    occurrence_id: OccurrenceId
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    snoozed_until: datetime | None = None
    assignee: str = ""
    resolved_at: datetime | None = None
    resolved_by: str = ""
    resolved_until: datetime | None = None
    outcome: Outcome | None = None

    def is_snoozed(self, now: datetime) -> bool:
        """Tell whether nobody wants to hear of it at `now`."""
        return self.snoozed_until is not None and now < self.snoozed_until


class HandlingSource(Protocol):
    """Tells from memory what people made of an occurrence that is not over."""

    def find(self, occurrence_id: OccurrenceId) -> Handling | None:
        """Return it; None if nobody did anything."""
        ...
