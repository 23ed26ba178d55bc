"""The parts for samples that another server keeps."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import httpx

from resumatch_monitor.config.tree import MonitorConfig
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.http import build_client
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.access import AccessProvider
from resumatch_monitor.metrics.store_config import ExternalStoreConfig
from resumatch_monitor.storage.remote.connection import Connection, ServerConfig
from resumatch_monitor.storage.remote.reader import RemoteReader
from resumatch_monitor.storage.remote.store import QueueConfig, RemoteStore
from resumatch_monitor.storage.spool.metrics import SpoolTelemetry


@dataclass(frozen=True, slots=True)
class ExternalStore:
    """The way to the server and the way back."""

    writer: RemoteStore
    reader: RemoteReader


def build_external_store(
    store: ExternalStoreConfig,
    config: MonitorConfig,
    *,
    folder: Path,
    client: httpx.AsyncClient,
    clock: Clock,
    telemetry: Telemetry,
    spools: SpoolTelemetry,
) -> ExternalStore:
    """Return the parts, not yet open.

    Args:
        store: The server.
        config: Everything else.
        folder: Where the queue is.
        client: For requests on the monitor's event loop.
        clock: What the queue goes by.
        telemetry: Gets the metrics.
        spools: The metrics that all spools share.
    """
    hosts = config.outgoing.allowed_hosts
    queue = store.queue
    return ExternalStore(
        writer=RemoteStore(
            folder,
            connection=_connect(store, client, hosts),
            queue=QueueConfig(
                max_bytes=queue.max_bytes,
                min_free_bytes=config.storage.min_free_bytes,
                samples_per_request=queue.max_samples_per_request,
                lanes=queue.shards,
                max_age=queue.max_age,
                resend_window=queue.resend_window,
            ),
            clock=clock,
            telemetry=telemetry,
            spools=spools,
        ),
        reader=RemoteReader(
            _connect(store, None, hosts), clock=clock, timeout=config.metrics.query_timeout
        ),
    )


def _connect(
    store: ExternalStoreConfig, client: httpx.AsyncClient | None, allowed_hosts: Collection[str]
) -> Connection:
    own = build_client(allowed_hosts=allowed_hosts) if client is None else None
    used = client or own
    assert used is not None
    access = AccessProvider(
        store, used, lambda context: build_client(allowed_hosts=allowed_hosts, verify=context)
    )
    server = ServerConfig(
        url=store.url,
        write_url=store.address_for_writes,
        headers=store.all_headers,
        timeout=store.timeout,
    )
    return Connection(server, access, own_client=own)
