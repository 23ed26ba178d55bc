"""Whether ResuMatch and what it stands on are well."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from structlog.stdlib import get_logger

logger = get_logger(__name__)

_FRESH_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Health:
    """What a look at the dependencies found."""

    checks: dict[str, bool]
    checked_at: datetime

    @property
    def is_healthy(self) -> bool:
        return all(self.checks.values())

    def as_json(self, version: str) -> dict[str, Any]:
        return {
            "status": "healthy" if self.is_healthy else "unhealthy",
            "timestamp": self.checked_at.isoformat(),
            "version": version,
            **{name: "healthy" if ok else "unhealthy" for name, ok in self.checks.items()},
        }


class HealthChecker:
    """Asks all dependencies at once and never waits longer than the time-out.

    Requests that come together share one look, so that a crowd of health checks on a hanging
    database does not pile up connections.
    """

    def __init__(
        self, dependencies: dict[str, Callable[[], Awaitable[None]]], *, timeout_seconds: float
    ) -> None:
        self._dependencies = dependencies
        self._timeout_seconds = timeout_seconds
        self._looking: asyncio.Task[Health] | None = None
        self._last: Health | None = None
        self._last_at = 0.0
        self._left: set[asyncio.Task[None]] = set()

    async def check(self) -> Health:
        if self._last is not None and time.monotonic() - self._last_at < _FRESH_SECONDS:
            return self._last
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return await asyncio.shield(self._looking)

    async def _look(self) -> Health:
        tasks = {
            name: asyncio.create_task(self._ask(ask)) for name, ask in self._dependencies.items()
        }
        await asyncio.wait(tasks.values(), timeout=self._timeout_seconds)
        checks = {name: self._is_well(name, task) for name, task in tasks.items()}
        self._last = Health(checks, datetime.now(UTC))
        self._last_at = time.monotonic()
        return self._last

    def _is_well(self, name: str, task: asyncio.Task[None]) -> bool:
        if not task.done():
            # Not awaited: a driver may take its time even to be cancelled.
            task.cancel()
            self._left.add(task)
            task.add_done_callback(self._left.discard)
            logger.warning(
                "dependency_unhealthy", dependency=name, error_message="no answer in time"
            )
            return False
        error = task.exception()
        if error is not None:
            logger.warning("dependency_unhealthy", dependency=name, error_type=type(error).__name__)
        return error is None

    @staticmethod
    async def _ask(ask: Callable[[], Awaitable[None]]) -> None:
        await ask()
