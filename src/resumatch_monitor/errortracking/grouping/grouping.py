"""What a way of grouping answers."""

from dataclasses import dataclass
from typing import Protocol

from resumatch_monitor.errortracking.model import Event


@dataclass(frozen=True, slots=True)
class Grouping:
    """Where an event belongs.

    Attributes:
        version: Which way of grouping answered.
        key: The same for all events of an issue, within a project.
        explanation: Why they are together, for a person.
    """

    version: int
    key: bytes
    explanation: str


class Grouper(Protocol):
    """A way of grouping."""

    def __call__(self, event: Event) -> Grouping:
        """Return where `event` belongs; never fails."""
        ...
