"""The loop that changes issues when a time or a release has come."""

import logging

from resumatch_monitor.errortracking.workflow.store import WorkflowDue
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.errors import StorageUnavailableError

logger = logging.getLogger(__name__)

_INTERVAL_SECONDS = 15.0
_ROUNDS_MAX = 50


class WorkflowTimer:
    """Reopens what rested long enough; resolves what a release with its commit mends."""

    def __init__(self, *, due: WorkflowDue, clock: Clock) -> None:
        self._due = due
        self._clock = clock

    async def run(self) -> None:
        """Do what is due, until cancelled."""
        while True:
            try:
                await self.do_all()
            except StorageUnavailableError as error:
                logger.warning("Issues that are to be reopened or resolved wait: %s", error)
            await self._clock.sleep(_INTERVAL_SECONDS)

    async def do_all(self) -> None:
        """Do what is due."""
        now = self._clock.now()
        for _ in range(_ROUNDS_MAX):
            if not await self._due.end_rests(now):
                break
        await self._due.resolve_by_commits(now)
