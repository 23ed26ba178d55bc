"""One sender's connection: from its bytes to the spool."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from resumatch_monitor.logs.formats.syslog import encode_message
from resumatch_monitor.logs.syslog.binding import Owner, Owners
from resumatch_monitor.logs.syslog.framing import Frame, FrameSplitter

READ_BYTES = 64 * 1024

Take: TypeAlias = Callable[[Owner, Sequence[bytes]], Awaitable[None]]
"""Keeps messages, however long that takes; they are on the disk when it returns."""


class Connection:
    """Reads messages and has them kept; meanwhile nothing more is read, and the sender waits.

    What arrives while the disk is busy is the next group: none waits for a timer.
    """

    def __init__(self, *, owners: Owners, take: Take, max_bytes: int) -> None:
        self._owners = owners
        self._take = take
        self._owner: Owner | None = None
        self._splitter = FrameSplitter(max_bytes)

    @property
    def owes_token(self) -> bool:
        """Whether it is not known whose it is, and has to be."""
        return self._owner is None and self._owners.is_token_needed

    async def run(self, reader: asyncio.StreamReader, idle_seconds: float) -> None:
        """Read until the sender ends it or says nothing for `idle_seconds`.

        Raises:
            UnknownSenderError: If the first message holds no token, and one is needed.
            TimeoutError: If nothing came for so long.
            OSError: If the connection breaks; what came before it is kept.
        """
        try:
            while True:
                async with asyncio.timeout(idle_seconds):
                    data = await reader.read(READ_BYTES)
                if not data:
                    break
                await self._keep(self._splitter.feed(data))
        except OSError:
            await self._keep(self._splitter.finish())
            raise
        await self._keep(self._splitter.finish())

    async def _keep(self, frames: Sequence[Frame]) -> None:
        if not frames:
            return
        owner = self._owner = self._owners.find([each.data for each in frames], self._owner)
        await self._take(owner, [encode_message(self._decode(each)) for each in frames])

    def _decode(self, frame: Frame) -> str:
        text = self._owners.conceal(frame.data).decode("utf-8", errors="replace")
        return f"{text}… [cut: {frame.size} bytes]" if frame.is_cut else text
