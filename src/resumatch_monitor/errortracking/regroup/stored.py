"""Stored events as trials of rules and versions read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class SampleEvent:
    """A stored event, and to which issue it belongs."""

    row_id: int
    event_id: str
    issue_id: int
    short_id: str
    title: str
    raw: dict[str, Any]


class EventSamples(Protocol):
    """Reads stored events of a project in pages."""

    async def list_issue_ids(self, project_id: int, *, limit: int) -> Sequence[int]:
        """Return a project's issues, the one seen last first."""
        ...

    async def read_samples(
        self, issue_ids: Sequence[int], *, per_issue: int
    ) -> Sequence[SampleEvent]:
        """Return the latest events of some issues, at most `per_issue` each."""
        ...
