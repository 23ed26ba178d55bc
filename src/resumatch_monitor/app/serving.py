"""Runs a monitor until it is told to stop."""

import asyncio
import gc
import logging
import signal
import sys
from pathlib import Path

from resumatch_monitor import __version__
from resumatch_monitor.api.server import build_server, choose_most_connections
from resumatch_monitor.app.folder import lock_folder
from resumatch_monitor.app.monitor import Monitor
from resumatch_monitor.app.web import build_web
from resumatch_monitor.config.tree import MonitorConfig
from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.kit.ids import RandomIds

logger = logging.getLogger(__name__)

_SWITCH_SECONDS = 0.0005
# A request makes hundreds of objects, and hardly ever a circle of them.
_OBJECTS_BETWEEN_COLLECTIONS = 5_000


async def serve(config: MonitorConfig, *, data: Path, host: str, port: int) -> None:
    """Run the monitor until SIGINT or SIGTERM.

    Raises:
        AlreadyRunningError: If another monitor uses `data`.
        NewerDatabaseError: If `data` was left by a later version.
        OSError: If the folder or the address cannot be used.
    """
    with lock_folder(data):
        await _serve(config, data=data, host=host, port=port)


async def _serve(config: MonitorConfig, *, data: Path, host: str, port: int) -> None:
    # The event loop lets go of the interpreter at each system call, several a request; whoever
    # computes meanwhile gives it back after this, and not after Python's own five milliseconds.
    sys.setswitchinterval(_SWITCH_SECONDS)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    monitor = Monitor(config, folder=data, address=address, clock=SystemClock(), ids=RandomIds())
    server = build_server(
        build_web(monitor, folder=data),
        host=host,
        port=port,
        most_connections=choose_most_connections(),
        trusted_proxies=config.server.trusted_proxies,
    )
    # The address first: if it is taken, nothing has been touched.
    await server.listen()
    leaving = asyncio.create_task(_end_streams(stop, monitor))
    try:
        await monitor.start()
        await _announce(monitor, address)
        # What a start makes stays for good: no collection need go through it again.
        gc.freeze()
        gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
        await server.serve_until(stop)
    finally:
        leaving.cancel()
        logger.info("Stopping")
        server.close()
        await monitor.stop()


async def _end_streams(stop: asyncio.Event, monitor: Monitor) -> None:
    """End the answers that have no end of their own, or the server would wait for them."""
    await stop.wait()
    monitor.logs.tail.close()


async def _announce(monitor: Monitor, address: str) -> None:
    admin = monitor.config.auth.admin
    given = admin.password.get_secret_value() if admin.password is not None else None
    made_up = await monitor.accounts.ensure_admin(admin.email, given)
    if made_up is not None:
        sys.stdout.write(
            f"\nThis is the first start. Sign in at {monitor.external_url} as {admin.email}"
            f" with the password\n\n    {made_up}\n\nIt is not shown again.\n\n"
        )
        sys.stdout.flush()
    monitor.is_ready = True
    logger.info("ResuMatch Monitor %s is ready at %s", __version__, address)
