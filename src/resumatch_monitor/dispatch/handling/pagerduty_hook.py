"""Takes what people do in PagerDuty over to the alerts."""

import hashlib
import hmac
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from resumatch_monitor.dispatch.handling.actions import Action, ActionKind
from resumatch_monitor.dispatch.handling.handlings import MOST_REQUESTS, Handlings, Request
from resumatch_monitor.dispatch.handling.link_actions import DrillReceipts
from resumatch_monitor.dispatch.handling.pagerduty_event import PagerDutyEvent
from resumatch_monitor.kit.clock import Clock

logger = logging.getLogger(__name__)

_MOST_SIGNATURES = 10
_VERSION = "v1="


class IncidentStore(Protocol):
    """Knows which alerts an incident is about."""

    async def remember(self, incident_id: str, dedup_key: str, *, at: datetime) -> None:
        """Keep what PagerDuty's id of an incident stands for."""
        ...

    async def recall(self, incident_id: str) -> str:
        """Return the `dedup_key` of an incident; empty if it is not known."""
        ...

    async def find_alerts(self, dedup_key: str, *, limit: int) -> list[str]:
        """Return the fingerprints of the alerts that were told under this key."""
        ...

    async def find_drill(self, dedup_key: str) -> str:
        """Return the id of the drill that was told under this key; empty if it was none."""
        ...


class HookOutcome(StrEnum):
    """What became of an event."""

    APPLIED = "applied"
    REPEATED = "repeated"
    IGNORED = "ignored"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class HookAnswer:
    """What became of an event, and how many alerts it changed."""

    outcome: HookOutcome
    changed: int = 0


class PagerDutyHook:
    """Checks who speaks, and does to alerts what was done to their incident."""

    def __init__(
        self,
        *,
        secrets: Sequence[str],
        incidents: IncidentStore,
        handlings: Handlings,
        drills: DrillReceipts,
        clock: Clock,
    ) -> None:
        self._secrets = [secret.encode() for secret in secrets]
        self._incidents = incidents
        self._handlings = handlings
        self._drills = drills
        self._clock = clock

    @property
    def is_configured(self) -> bool:
        """Whether there is a secret to know PagerDuty by."""
        return bool(self._secrets)

    def verify(self, body: bytes, header: str) -> bool:
        """Tell whether one of the signatures in `header` is that of one of the secrets."""
        given = [part.strip() for part in header.split(",")[:_MOST_SIGNATURES]]
        expected = [
            _VERSION + hmac.new(secret, body, hashlib.sha256).hexdigest()
            for secret in self._secrets
        ]
        matches = [
            hmac.compare_digest(one.encode(), other.encode()) for one in given for other in expected
        ]
        return any(matches)

    async def take(self, event: PagerDutyEvent) -> HookAnswer:
        """Do what the event says, durably; an event that comes again does nothing."""
        dedup_key = await self._find_key(event)
        action = event.to_action()
        if action is None:
            return HookAnswer(HookOutcome.IGNORED)
        if not dedup_key:
            return HookAnswer(HookOutcome.UNKNOWN)
        fingerprints = await self._incidents.find_alerts(dedup_key, limit=MOST_REQUESTS)
        if not fingerprints:
            return await self._confirm_drill(dedup_key, action, event)
        results = await self._handlings.act(
            [Request(each, action, event.actor, origin=dedup_key) for each in fingerprints],
            once=f"pagerduty {event.id}",
        )
        if not results:
            return HookAnswer(HookOutcome.REPEATED)
        changed = sum(result.is_changed for result in results)
        logger.info("PagerDuty: %s changed %d alerts", event.type, changed)
        return HookAnswer(HookOutcome.APPLIED, changed)

    async def _confirm_drill(
        self, dedup_key: str, action: Action, event: PagerDutyEvent
    ) -> HookAnswer:
        """Note who has heard of a drill that had paged."""
        drill_id = await self._incidents.find_drill(dedup_key)
        if not drill_id:
            return HookAnswer(HookOutcome.UNKNOWN)
        if action.kind not in (ActionKind.ACKNOWLEDGE, ActionKind.RESOLVE):
            return HookAnswer(HookOutcome.IGNORED)
        await self._drills.confirm(drill_id, by=event.actor.name)
        return HookAnswer(HookOutcome.APPLIED)

    async def _find_key(self, event: PagerDutyEvent) -> str:
        if event.dedup_key:
            if event.incident_id:
                now = self._clock.now()
                await self._incidents.remember(event.incident_id, event.dedup_key, at=now)
            return event.dedup_key
        return await self._incidents.recall(event.incident_id) if event.incident_id else ""
