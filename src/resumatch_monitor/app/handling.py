"""The parts with which people handle alerts."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from resumatch_monitor.app.secret import read_secret
from resumatch_monitor.dispatch.handling.link_actions import DrillReceipt
from resumatch_monitor.dispatch.handling.links import SignedLinks
from resumatch_monitor.dispatch.policy.config import AlertingConfig
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.notify.wording import Links
from resumatch_monitor.rules.drill.model import DrillRecord
from resumatch_monitor.rules.drill.service import Drills, NoSuchDrillError
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.handled import SqlHandledAlerts
from resumatch_monitor.storage.sql.incidents import SqlIncidents
from resumatch_monitor.storage.sql.quality import SqlQuality


@dataclass(slots=True)
class HandlingParts:
    """What the API and the pages of alerts stand on, besides the handlings themselves.

    Attributes:
        reader: Alerts with what people made of them.
        quality: What people judged.
        incidents: What PagerDuty's incidents are about.
        links: The signed links in messages.
    """

    reader: SqlHandledAlerts
    quality: SqlQuality
    incidents: SqlIncidents
    links: SignedLinks = field(init=False)
    _key: bytes | None = field(default=None, init=False)

    async def open(self, folder: Path, ids: Ids) -> None:
        """Read the secret of the links.

        Raises:
            OSError: If the folder cannot be used.
        """
        self._key = await asyncio.to_thread(read_secret, folder, ids)

    def find_key(self) -> bytes | None:
        """Return the secret of the links, once it is read."""
        return self._key


def build_handling(database: Database, *, external_url: str, clock: Clock) -> HandlingParts:
    """Build the parts; nothing is read yet."""
    parts = HandlingParts(SqlHandledAlerts(database), SqlQuality(database), SqlIncidents(database))
    parts.links = SignedLinks(links=Links(external_url), clock=clock, find_key=parts.find_key)
    return parts


def find_webhook_secrets(alerting: AlertingConfig) -> list[str]:
    """Return the secrets by which PagerDuty's webhooks are known."""
    found = [alerting.pagerduty_webhook_secret]
    found += [each.webhook_secret for receiver in alerting.receivers for each in receiver.pagerduty]
    # An empty one would let anybody in.
    return [secret.get_secret_value() for secret in found if secret and secret.get_secret_value()]


class DrillBook:
    """The `DrillReceipts` of the links: the drills themselves."""

    def __init__(self, drills: Drills) -> None:
        self._drills = drills

    async def find(self, drill_id: str) -> DrillReceipt | None:
        """Return what is known of a drill; None if it is not there any more."""
        try:
            return _to_receipt(await self._drills.get(drill_id))
        except NoSuchDrillError:
            return None

    async def confirm(self, drill_id: str, *, by: str) -> DrillReceipt | None:
        """Note, durably, that somebody has heard of it; the first one counts."""
        try:
            return _to_receipt(await self._drills.acknowledge(drill_id, by=by))
        except NoSuchDrillError:
            return None


def _to_receipt(record: DrillRecord) -> DrillReceipt:
    by = record.report.get("acknowledged_by")
    return DrillReceipt(record.alert, record.started_at, by if isinstance(by, str) else "")
