"""The parts with which people handle alerts."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from resumatch_monitor.app.secret import read_secret
from resumatch_monitor.dispatch.links import SignedLinks
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.notify.wording import Links
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.handled import SqlHandledAlerts
from resumatch_monitor.storage.sql.quality import SqlQuality


@dataclass(slots=True)
class HandlingParts:
    """What the API and the pages of alerts stand on, besides the handlings themselves.

    Attributes:
        reader: Alerts with what people made of them.
        quality: What people judged.
        links: The signed links in messages.
    """

    reader: SqlHandledAlerts
    quality: SqlQuality
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
    parts = HandlingParts(SqlHandledAlerts(database), SqlQuality(database))
    parts.links = SignedLinks(links=Links(external_url), clock=clock, find_key=parts.find_key)
    return parts
