"""What drills need to have stored."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from resumatch_monitor.rules.drill.model import DrillRecord


class DrillStore(Protocol):
    """Keeps drills as evidence. When a call returns, it is durable."""

    async def save(self, record: DrillRecord) -> None:
        """Store a drill, or what has become of it."""
        ...

    async def get(self, drill_id: str) -> DrillRecord | None:
        """Return one."""
        ...

    async def list_drills(
        self, *, alert: str | None, before: tuple[datetime, str] | None, limit: int
    ) -> list[DrillRecord]:
        """Return drills that began before the given moment and id, the newest first."""
        ...

    async def list_unfinished(self) -> list[DrillRecord]:
        """Return those that are under way."""
        ...

    async def latest(self) -> Mapping[str, DrillRecord]:
        """Return the last finished drill of each alert."""
        ...
