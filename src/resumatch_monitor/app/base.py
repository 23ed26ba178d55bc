"""What every part of the monitor is built on."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from resumatch_monitor.app.stores import Stores
from resumatch_monitor.config.tree import MonitorConfig
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.kit.loops import Supervisor
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.sentry.scrubbers import Scrubbers

Loops = Mapping[str, Callable[[], Awaitable[None]]]
"""What runs until it is cancelled, by name."""


@dataclass(frozen=True, slots=True)
class Base:
    """Shared by all parts.

    Attributes:
        folder: Where everything is kept.
        external_url: Where people reach the monitor.
        projects: The applications that may send.
        scrubbers: What takes out of their data what must not be stored.
        client: For everything that goes out; it knows which hosts may be reached.
    """

    config: MonitorConfig
    folder: Path
    external_url: str
    clock: Clock
    ids: Ids
    telemetry: Telemetry
    supervisor: Supervisor
    projects: Projects
    scrubbers: Scrubbers
    client: httpx.AsyncClient
    stores: Stores

    @property
    def allowed_hosts(self) -> Collection[str]:
        """Hosts that may be reached although the guard of addresses refuses them."""
        return self.config.outgoing.allowed_hosts

    @property
    def external_labels(self) -> Labels:
        """What tells this monitor's alerts from another's."""
        return Labels.of(self.config.global_.external_labels)
