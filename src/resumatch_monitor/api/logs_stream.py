"""Answers about logs that are sent piece by piece to readers who may be slow or go away."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send
from typing_extensions import override

logger = logging.getLogger(__name__)

SEND_SECONDS = 60.0
"""How long a reader may take nothing."""


class StreamedAnswer(StreamingResponse):
    """Sends pieces until they end, the reader goes away, or takes nothing for too long."""

    def __init__(
        self,
        pieces: AsyncGenerator[bytes],
        *,
        media_type: str,
        headers: Mapping[str, str],
        on_end: Callable[[], None],
        send_seconds: float = SEND_SECONDS,
    ) -> None:
        """Take the pieces.

        Args:
            pieces: Are made one by one, each once the one before it is on its way.
            media_type: What they are.
            headers: Go with them.
            on_end: Is called however it ends, even if no piece was ever made.
            send_seconds: How long the reader may take nothing.
        """
        super().__init__(pieces, media_type=media_type, headers=headers)
        self._pieces = pieces
        self._on_end = on_end
        self._send_seconds = send_seconds

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(self._send_seconds):
                await send(message)

        try:
            async with aclosing(self._pieces):
                await super().__call__(scope, receive, send_in_time)
        except TimeoutError:
            # The server closes a connection whose answer does not end.
            logger.warning("A client stopped reading the answer of %s", scope["path"])
        finally:
            self._on_end()
