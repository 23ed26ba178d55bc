"""What integrations are built with, besides their configuration."""

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol

import anyio
import httpx

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.notify.diagnosis import NO_DIAGNOSIS, Diagnosis
from resumatch_monitor.notify.notification import Notification
from resumatch_monitor.notify.wording import Links

logger = logging.getLogger(__name__)

DIAGNOSIS_TIMEOUT_SECONDS = 3.0
"""A message leaves without a diagnosis that takes longer."""


@dataclass(frozen=True, slots=True)
class ActionUrls:
    """Addresses at which one click does something about an alert; empty where there is none."""

    acknowledge: str = ""
    snooze: str = ""
    silence: str = ""
    resolve: str = ""


class ActionLinks(Protocol):
    """Makes signed links."""

    def urls(self, alert: Alert, recipient: str) -> ActionUrls:
        """Return the links about `alert` that are good for `recipient`.

        Args:
            alert: One that fires.
            recipient: Who will follow them, as the journal shall name them: a mail address or,
                where many read, the integration (`slack`).
        """
        ...


class NoActionLinks:
    """Makes no links, as long as nobody can follow them."""

    def urls(self, alert: Alert, recipient: str) -> ActionUrls:
        return ActionUrls()


async def diagnose_nothing(_notification: Notification) -> Diagnosis:
    """Know nothing about any notification."""
    return NO_DIAGNOSIS


@dataclass(frozen=True, slots=True)
class NotifierContext:
    """Shared by all integrations.

    Attributes:
        client: From `kit.http.build_client`; whoever builds the context closes it.
        links: Where people reach the monitor.
        allowed_hosts: Those that may be reached although the address guard refuses them; the
            client knows them already.
        actions: Makes the links of one click.
        diagnose: Finds out why; channels ask `find_diagnosis`, which neither waits nor fails.
    """

    client: httpx.AsyncClient
    clock: Clock
    links: Links
    allowed_hosts: Collection[str] = ()
    actions: ActionLinks = field(default_factory=NoActionLinks)
    diagnose: Callable[[Notification], Awaitable[Diagnosis]] = diagnose_nothing
    diagnosis_timeout_seconds: float = DIAGNOSIS_TIMEOUT_SECONDS

    async def find_diagnosis(self, notification: Notification) -> Diagnosis:
        """Return the diagnosis; an empty one if it fails or is not there in time."""
        try:
            with anyio.move_on_after(self.diagnosis_timeout_seconds):
                return await self.diagnose(notification)
        except Exception as error:  # noqa: BLE001 - the message matters more than its diagnosis
            logger.warning("a notification goes without diagnosis: %s", type(error).__name__)
        return NO_DIAGNOSIS
