"""How good rules are in the judgement of people: real, noise, and what no rule caught."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class MissedIncident:
    """What no rule caught, in the words of a person.

    Attributes:
        name: The name of the alert that should have fired; empty if there is none.
    """

    id: str
    title: str
    name: str
    starts_at: datetime
    ends_at: datetime
    text: str
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class Quality:
    """What became of the occurrences of all alerts of one name.

    Attributes:
        acknowledged: How many somebody acknowledged.
        missed: How many incidents it should have caught and did not.
    """

    name: str
    occurrences: int = 0
    acknowledged: int = 0
    real: int = 0
    noise: int = 0
    missed: int = 0


class QualityStore(Protocol):
    """Keeps what was missed, and counts outcomes."""

    async def add_missed(self, incident: MissedIncident) -> None:
        """Store it, once durable."""
        ...

    async def remove_missed(self, incident_id: str) -> bool:
        """Delete it; False if it is not there."""
        ...

    async def list_missed(
        self, *, name: str | None, after: tuple[datetime, str] | None, limit: int
    ) -> Sequence[MissedIncident]:
        """Return incidents, the latest first, after the one with this start and id."""
        ...

    async def count_missed(self, name: str) -> int:
        """Return how many incidents the alert of this name missed."""
        ...

    async def measure(self, since: datetime, *, limit: int) -> Sequence[Quality]:
        """Return the quality of each name since then, what is noisiest first."""
        ...
