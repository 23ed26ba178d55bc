"""What a probe is, what it finds, and how one attempt is made safely."""

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.durations import format_duration
from resumatch_monitor.kit.network import explain_connection_error, scrub

logger = logging.getLogger(__name__)

_LONGEST_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one attempt found.

    Attributes:
        is_success: The target answered as it should, however slowly.
        duration_seconds: The whole attempt, or the time-out.
        message: For people; never holds a secret.
        status_code: Of HTTP's last answer.
        phases: Seconds by phase, for kinds that can tell.
        certificate_expires_at: When the server's certificate ends.
    """

    is_success: bool
    duration_seconds: float
    message: str
    status_code: int | None = None
    phases: Mapping[str, float] = field(default_factory=dict[str, float])
    certificate_expires_at: datetime | None = None


class ProbeFailedError(Exception):
    """The target did not answer as it should; the text is for people."""


class Notes:
    """What an attempt learns on its way, kept even when it then fails or runs out of time."""

    __slots__ = ("certificate_expires_at", "phases", "status_code")

    def __init__(self) -> None:
        self.status_code: int | None = None
        self.phases: dict[str, float] = {}
        self.certificate_expires_at: datetime | None = None

    def add_phase(self, name: str, seconds: float) -> None:
        """Add to a phase; redirects pass through the same phases again."""
        self.phases[name] = self.phases.get(name, 0.0) + seconds


class Probe(Protocol):
    """One kind of probe, bound to one target."""

    @property
    def target(self) -> str:
        """Where it goes, without secrets."""
        ...

    @property
    def secrets(self) -> Collection[str]:
        """What must not appear in any message."""
        ...

    async def attempt(self, notes: Notes) -> str:
        """Try the target once over a fresh connection.

        The caller limits the time by cancelling. Connection errors may be raised as they are.

        Args:
            notes: Takes what is learnt on the way.

        Returns:
            What was found, for people, e.g. `200 OK`.

        Raises:
            ProbeFailedError: If the answer is not as it should be.
        """
        ...


async def run_probe(probe: Probe, *, timeout: timedelta, clock: Clock) -> ProbeResult:  # noqa: ASYNC109
    """Make one attempt; whatever happens is a result."""
    notes = Notes()
    started = clock.monotonic()
    is_success = False
    limit = asyncio.timeout(timeout.total_seconds())
    try:
        async with limit:
            message = await probe.attempt(notes)
            is_success = True
    except ProbeFailedError as error:
        message = str(error)
    except Exception as error:  # noqa: BLE001 - a probe reports, whatever the target does
        if limit.expired():
            message = f"no complete answer within {format_duration(timeout)}"
        else:
            message = _explain(error, probe)
    return ProbeResult(
        is_success=is_success,
        duration_seconds=max(0.0, clock.monotonic() - started),
        message=scrub(message, probe.secrets)[:_LONGEST_MESSAGE],
        status_code=notes.status_code,
        phases=notes.phases,
        certificate_expires_at=notes.certificate_expires_at,
    )


def _explain(error: Exception, probe: Probe) -> str:
    message = explain_connection_error(error)
    if message is not None:
        return message
    if isinstance(error, TimeoutError):
        return "timed out"
    # Only the type: the text of a library's error may quote what it was given.
    logger.debug("Probe of %s failed with %s", probe.target, type(error).__name__)
    return f"failed: {type(error).__name__}"
