"""uvicorn, with the bounds on request heads that its fast parser does not have."""

import asyncio
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
_MOST_CONNECTIONS = 1_000
_KEEP_ALIVE_SECONDS = 75
_SHUTDOWN_SECONDS = 5

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\n"
    b"connection: close\r\ncontent-length: 45\r\n\r\n"
    b"The request line and headers exceed 64 KiB.\r\n"
)


class BoundedHttpProtocol(HttpToolsProtocol):
    """Closes connections whose request head is too large or takes too long.

    So it does with those whose body goes on and on although the request is answered.
    """

    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None
    _rest_bytes = 0
    _rest_timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > LARGEST_HEAD_BYTES:
                self._end_head()
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._end_head()
        self._end_rest()
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_SECONDS, self.transport.close)

    def on_headers_complete(self) -> None:
        self._end_head()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self.cycle.response_complete:
            self._rest_bytes += len(body)
            if self._rest_bytes > LARGEST_REST_BYTES:
                self.transport.close()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # With pipelining the current cycle may be a later request that is still coming in.
        is_early = self.cycle.response_complete and self.cycle.more_body
        if is_early and not self.transport.is_closing():
            self._rest_bytes = 0
            self._rest_timer = self.loop.call_later(REST_TIMEOUT_SECONDS, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        self._end_rest()
        super().connection_lost(exc)

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

        def create_protocol() -> asyncio.Protocol:
            return BoundedHttpProtocol(
                config=config, server_state=self.server_state, app_state=cast("Any", {})
            )

        server = await asyncio.get_running_loop().create_server(
            create_protocol, host=config.host, port=config.port, backlog=config.backlog
        )
        self.servers = [server]
        self.started = True

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


def build_server(app: FastAPI, *, host: str, port: int) -> Server:
    """Return a server of `app`; it does not listen before `serve_until`."""
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
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
    )
