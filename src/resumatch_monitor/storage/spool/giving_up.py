"""A spool that never refuses for want of room: its oldest gives way."""

import asyncio
from collections.abc import Callable

from resumatch_monitor.kit.spool import FullReason, Position, SpoolFullError
from resumatch_monitor.storage.spool.spool import Spool

_ATTEMPTS = 3
# Nobody reads: what is given up need not be read once more.
_NOTHING = Position(2**62, 0)


class GivingUpSpool:
    """The writing end of a spool that keeps the latest, as many as there is room for."""

    def __init__(self, spool: Spool, *, on_given_up: Callable[[int], None]) -> None:
        """Write into `spool`; `on_given_up` is told how many records gave way."""
        self._spool = spool
        self._on_given_up = on_given_up
        self._making_room = asyncio.Lock()

    async def append(self, payload: bytes) -> None:
        """Keep `payload`; it is on the disk when this returns.

        Raises:
            SpoolFullError: If it is larger than the whole, or the disk or memory is full.
        """
        try:
            await self._spool.append(payload)
        except SpoolFullError as error:
            if error.reason is not FullReason.BYTES:
                raise
        else:
            return
        # One after the other: of many that find no room at once, the first makes it for all.
        async with self._making_room:
            for _ in range(_ATTEMPTS):
                try:
                    await self._spool.append(payload)
                except SpoolFullError as error:
                    if error.reason is not FullReason.BYTES:
                        raise
                    await self._give_up_oldest()
                else:
                    return
            await self._spool.append(payload)

    async def _give_up_oldest(self) -> None:
        before = self._spool.pending
        await self._spool.drop_oldest(after=_NOTHING)
        self._on_given_up(max(0, before - self._spool.pending))
