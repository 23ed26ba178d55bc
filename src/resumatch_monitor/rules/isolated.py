"""Evaluating rules apart from everything: at given moments, with nothing kept and nobody told."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from typing_extensions import override

from resumatch_monitor.alerts.state import ActiveAlert
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.rules.model import RuleKey
from resumatch_monitor.rules.store import RuleStateStore, StoredAlert


class StandingClock(Clock):
    """Stands where it is put."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self._start = at

    @override
    def now(self) -> datetime:
        return self.at

    @override
    def monotonic(self) -> float:
        return (self.at - self._start).total_seconds()

    @override
    async def sleep(self, seconds: float) -> None:
        await wait_for_ever()


class ForgetfulStates(RuleStateStore):
    """Keeps no states: it begins without any and ends for good."""

    @override
    async def load(self) -> list[StoredAlert]:
        return []

    @override
    async def save(
        self,
        key: RuleKey,
        *,
        changed: Sequence[ActiveAlert],
        removed: Sequence[ActiveAlert],
        seen_at: datetime,
    ) -> None:
        return None


async def wait_for_ever() -> None:
    """Wait until it is cancelled."""
    await asyncio.get_running_loop().create_future()
