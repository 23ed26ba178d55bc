"""What integrations are built with, besides their configuration."""

from collections.abc import Collection
from dataclasses import dataclass

import httpx

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.notify.wording import Links


@dataclass(frozen=True, slots=True)
class NotifierContext:
    """Shared by all integrations.

    Attributes:
        client: From `kit.http.build_client`; whoever builds the context closes it.
        links: Where people reach the monitor.
        allowed_hosts: Those that may be reached although the address guard refuses them; the
            client knows them already.
    """

    client: httpx.AsyncClient
    clock: Clock
    links: Links
    allowed_hosts: Collection[str] = ()
