"""Where senders of syslog connect."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.spool import SpoolFullError
from resumatch_monitor.logs.formats.syslog import SYSLOG
from resumatch_monitor.logs.metrics import LogMetrics
from resumatch_monitor.logs.receiver import LogReceiver
from resumatch_monitor.logs.syslog.binding import Owner, Owners, UnknownSenderError
from resumatch_monitor.logs.syslog.config import SyslogConfig, SyslogTlsConfig
from resumatch_monitor.logs.syslog.connection import READ_BYTES, Connection

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 5.0
_PAUSE_SECONDS = 1.0
_WATCH_SECONDS = 30.0
_TELL_SECONDS = 60.0
_HANDSHAKE_SECONDS = 10.0
_GRACE_SECONDS = 2.0
_LAST_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Open:
    """A connection, and its two ends."""

    connection: Connection
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class SyslogListener:
    """Accepts connections and ends them without losing what was sent, as far as TCP allows."""

    def __init__(
        self,
        config: SyslogConfig,
        *,
        receiver: LogReceiver,
        metrics: LogMetrics,
        clock: Clock,
        find_project: Callable[[str], int | None],
    ) -> None:
        self._config = config
        self._receiver = receiver
        self._metrics = metrics
        self._clock = clock
        self._owners = Owners(config, find_project)
        self._idle_seconds = config.idle_timeout.total_seconds()
        self._open: dict[asyncio.Task[None], _Open] = {}
        self._told_at: dict[str, float] = {}

    async def run(self) -> None:
        """Listen until cancelled."""
        server, context = await self._start()
        try:
            await self._watch(context)
        finally:
            await self._stop(server)

    async def _start(self) -> tuple[asyncio.Server, ssl.SSLContext | None]:
        host, _, port = self._config.listen.rpartition(":")
        while True:
            try:
                context = None if self._config.tls is None else build_context(self._config.tls)
                server = await asyncio.start_server(
                    self._serve,
                    host.strip("[]"),
                    int(port),
                    limit=READ_BYTES,
                    ssl=context,
                    ssl_handshake_timeout=None if context is None else _HANDSHAKE_SECONDS,
                )
            except OSError as error:
                logger.error("Syslog is not listened to on %s: %s", self._config.listen, error)  # noqa: TRY400
                await self._clock.sleep(_RETRY_SECONDS)
            else:
                logger.info("Syslog is listened to on %s", self._config.listen)
                return server, context

    async def _watch(self, context: ssl.SSLContext | None) -> None:
        tls = self._config.tls
        seen = None if tls is None else _changed_at(tls)
        while True:
            await self._clock.sleep(_WATCH_SECONDS)
            if tls is None or context is None or (changed := _changed_at(tls)) == seen:
                continue
            try:
                # A certificate that is there before its key would leave the context without any.
                build_context(tls)
                _load(context, tls)
            except OSError as error:
                logger.warning("The certificate of syslog cannot be read anew: %s", error)
            else:
                logger.info("The certificate of syslog was read anew")
                seen = changed

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._open) >= self._config.max_connections:
            self._refuse("connections", "Syslog has too many connections")
            if not self._drop_unproven():
                writer.transport.abort()
                return
        connection = Connection(
            owners=self._owners, take=self._take, max_bytes=self._config.max_message_bytes
        )
        self._open[task] = _Open(connection, reader, writer)
        # Who is gone without a word is found out by the system, long before he counts as idle.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._metrics.syslog_connections.inc()
        try:
            await connection.run(reader, self._idle_seconds)
        except UnknownSenderError:
            peer = str((writer.get_extra_info("peername") or ("",))[0])
            self._refuse("no_token", f"Syslog from {peer} holds none of the tokens")
        except TimeoutError:
            logger.info("A connection of syslog said nothing for too long")
        except OSError as error:
            logger.info("A connection of syslog broke: %s", error)
        finally:
            self._open.pop(task, None)
            self._metrics.syslog_connections.dec()
            writer.close()

    def _drop_unproven(self) -> bool:
        """End the connection that has owed its token for longest; tell whether there was one."""
        for task, each in self._open.items():
            if each.connection.owes_token:
                del self._open[task]
                each.writer.transport.abort()
                return True
        return False

    async def _take(self, owner: Owner, lines: Sequence[bytes]) -> None:
        hints = {
            "source": "syslog",
            "service": owner.service,
            "environment": owner.environment,
            "timezone": self._config.timezone,
            "service_from": self._config.service_from,
        }
        while True:
            try:
                await self._receiver.take(
                    lines, format_name=SYSLOG, hints=hints, project_id=owner.project_id
                )
            except SpoolFullError as error:
                self._tell("full", f"Senders of syslog are slowed down: {error}")
                await self._clock.sleep(_PAUSE_SECONDS)
            else:
                return

    def _refuse(self, reason: str, text: str) -> None:
        self._metrics.rejected.labels("syslog", reason).inc()
        self._tell(reason, text)

    def _tell(self, what: str, text: str) -> None:
        """Say something that may happen often, but not often."""
        now = self._clock.monotonic()
        if now - self._told_at.get(what, float("-inf")) >= _TELL_SECONDS:
            self._told_at[what] = now
            logger.warning("%s", text)

    async def _stop(self, server: asyncio.Server) -> None:
        server.close()
        tasks = set(self._open)
        # Who looks before he sends sees that nobody will answer, and sends what follows later.
        for each in self._open.values():
            with contextlib.suppress(OSError):
                sock = each.writer.get_extra_info("socket")
                sock.shutdown(socket.SHUT_WR)
        if tasks:
            _, tasks = await asyncio.wait(tasks, timeout=_GRACE_SECONDS)
        # What was received until now is kept, too.
        for task in tasks:
            if task in self._open:
                self._open[task].writer.transport.abort()
                self._open[task].reader.feed_eof()
        if tasks:
            _, tasks = await asyncio.wait(tasks, timeout=_LAST_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def build_context(config: SyslogTlsConfig) -> ssl.SSLContext:
    """Return what a server needs for TLS.

    Raises:
        OSError: If a file cannot be read or is no certificate.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _load(context, config)
    # Senders that never read would take tickets for words of ours, and not see that we are gone.
    context.num_tickets = 0
    if config.client_ca_file is not None:
        context.load_verify_locations(config.client_ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _load(context: ssl.SSLContext, config: SyslogTlsConfig) -> None:
    # Without a password, that of an encrypted key would be asked for at the terminal.
    context.load_cert_chain(config.cert_file, config.key_file, password=b"")


def _changed_at(config: SyslogTlsConfig) -> tuple[int, ...]:
    found: list[int] = []
    for path in (config.cert_file, config.key_file):
        with contextlib.suppress(OSError):
            found.append(Path(path).stat().st_mtime_ns)
    return tuple(found)
