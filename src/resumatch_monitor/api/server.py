"""uvicorn, with the bounds on connections and request heads that it does not have itself."""

import asyncio
import resource
from collections.abc import Sequence
from typing import Any, cast

import uvicorn
from fastapi import FastAPI
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD_BYTES = 64 * 1024
HEAD_TIMEOUT_SECONDS = 20.0
LARGEST_REST_BYTES = 32 * 1024 * 1024
"""How much of a body is let in vain after its request was answered, so that its sender, who may
look for the answer only at the end, gets it."""
REST_TIMEOUT_SECONDS = 20.0
MOST_PIPELINED = 16
"""Requests that a client may send before the first of them is answered."""
MOST_CONNECTIONS = 1_000
_DESCRIPTORS_RESERVED = 100
_FLUSH_CHECK_SECONDS = 15.0
_KEEP_ALIVE_SECONDS = 75
_SHUTDOWN_SECONDS = 5

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\n"
    b"connection: close\r\ncontent-length: 45\r\n\r\n"
    b"The request line and headers exceed 64 KiB.\r\n"
)


class PipelineError(Exception):
    """A client sends one request after the other and waits for no answer."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """Closes connections whose request head is too large or takes too long.

    So it does with those whose body goes on and on although the request is answered, and with
    those that nobody reads from. When there are too many connections, the one that has been idle
    for the longest makes room: whoever only holds connections open keeps nobody else out.
    """

    most_connections = MOST_CONNECTIONS

    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None
    _rest_bytes = 0
    _rest_timer: asyncio.TimerHandle | None = None
    _flush_timer: asyncio.TimerHandle | None = None
    idle_since = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self.idle_since = self.loop.time()
        # A connection that never asks for anything has no other bound.
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_SECONDS, self._close)
        if len(self.connections) > self.most_connections:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > LARGEST_HEAD_BYTES:
                self._end_head()
                self.transport.write(_TOO_LARGE)
                self._close()

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= MOST_PIPELINED:
            # The parser stops at this, and the connection is closed as one with a bad request.
            raise PipelineError
        super().on_message_begin()
        self._head_bytes = 0
        self._end_head()
        self._end_rest()
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_SECONDS, self._close)

    def on_headers_complete(self) -> None:
        self._end_head()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self.cycle.response_complete:
            self._rest_bytes += len(body)
            if self._rest_bytes > LARGEST_REST_BYTES:
                self._close()

    def on_response_complete(self) -> None:
        self.idle_since = self.loop.time()
        super().on_response_complete()
        # With pipelining the current cycle may be a later request that is still coming in.
        is_early = self.cycle.response_complete and self.cycle.more_body
        if is_early and not self.transport.is_closing():
            self._rest_bytes = 0
            self._rest_timer = self.loop.call_later(REST_TIMEOUT_SECONDS, self._close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        self._end_rest()
        if self._flush_timer is not None:
            self._flush_timer.cancel()
        super().connection_lost(exc)

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    def _close(self) -> None:
        """Close, and do not wait for ever for the client to take what is left to send."""
        self.transport.close()
        if self._flush_timer is None:
            self._await_flush(self.transport.get_write_buffer_size())

    def _await_flush(self, left_bytes: int) -> None:
        self._flush_timer = self.loop.call_later(
            _FLUSH_CHECK_SECONDS, self._check_flush, left_bytes
        )

    def _check_flush(self, left_bytes: int) -> None:
        size = self.transport.get_write_buffer_size()
        if size < left_bytes:
            self._await_flush(size)
        else:
            self.transport.abort()

    def _make_room(self) -> None:
        everybody = cast("set[BoundedHttpProtocol]", self.connections)
        idle = [each for each in everybody if each is not self and each.is_idle]
        if idle:
            victim = min(idle, key=lambda each: each.idle_since)
            # At once: the loop tells it only later, and many may come in before that.
            everybody.discard(victim)
            victim.transport.abort()

    def _end_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end_rest(self) -> None:
        if self._rest_timer is not None:
            self._rest_timer.cancel()
            self._rest_timer = None


class Server(uvicorn.Server):
    """Serves on a loop that somebody else runs, and leaves the signals to that somebody."""

    async def listen(self) -> None:
        """Bind the address and begin to answer.

        Raises:
            OSError: If the address cannot be bound.
        """
        config = self.config
        if not config.loaded:
            config.load()
        self.lifespan = config.lifespan_class(config)

        most_connections = (config.limit_concurrency or MOST_CONNECTIONS + 1) - 1

        def create_protocol() -> asyncio.Protocol:
            protocol = BoundedHttpProtocol(
                config=config, server_state=self.server_state, app_state=cast("Any", {})
            )
            protocol.most_connections = most_connections
            return protocol

        server = await asyncio.get_running_loop().create_server(
            create_protocol, host=config.host, port=config.port, backlog=config.backlog
        )
        self.servers = [server]
        self.started = True

    def close(self) -> None:
        """Stop listening, whether or not anything was ever served."""
        for server in self.servers:
            server.close()

    async def serve_until(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then finish what is under way."""
        serving = asyncio.create_task(self.main_loop())
        await stop.wait()
        self.should_exit = True
        await serving
        await self.shutdown()

    @property
    def port(self) -> int:
        """The port that is listened on, also when the system chose it."""
        return int(self.servers[0].sockets[0].getsockname()[1])


def choose_most_connections() -> int:
    """Return how many connections there may be, after asking for all descriptors there are.

    Files, queries and requests to others need descriptors too.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (ValueError, OSError):
            pass
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(16, min(MOST_CONNECTIONS, (soft - _DESCRIPTORS_RESERVED) // 2))


def build_server(
    app: FastAPI,
    *,
    host: str,
    port: int,
    most_connections: int = MOST_CONNECTIONS,
    trusted_proxies: Sequence[str] = (),
) -> Server:
    """Return a server of `app`; it does not listen before `listen`.

    Args:
        app: What answers.
        host: The address to bind.
        port: Its port; 0 for one that is free.
        most_connections: Beyond these the one that has been idle for the longest is closed.
        trusted_proxies: Addresses and networks whose `X-Forwarded-For` is believed. From anybody
            else it is a way to appear as somebody else.
    """
    return Server(
        Config(
            app,
            host=host,
            port=port,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(trusted_proxies),
            # Only when every connection is busy is anybody turned away.
            limit_concurrency=most_connections + 1,
            # asyncio accepts as many at once before it looks at any of them.
            backlog=max(16, most_connections // 2),
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
    )
