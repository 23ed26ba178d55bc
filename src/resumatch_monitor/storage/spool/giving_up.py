"""A spool that never refuses for want of room: its oldest gives way."""

from resumatch_monitor.kit.spool import FullReason, Position, SpoolFullError
from resumatch_monitor.storage.spool.spool import Spool

_ATTEMPTS = 3
# Nobody reads: what is given up need not be read once more.
_NOTHING = Position(2**62, 0)


class GivingUpSpool:
    """The writing end of a spool that keeps the latest, as many as there is room for."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    async def append(self, payload: bytes) -> None:
        """Keep `payload`; it is on the disk when this returns.

        Raises:
            SpoolFullError: If it is larger than the whole, or the disk or memory is full.
        """
        for _ in range(_ATTEMPTS):
            try:
                await self._spool.append(payload)
            except SpoolFullError as error:
                if error.reason is not FullReason.BYTES:
                    raise
                await self._spool.drop_oldest(after=_NOTHING)
            else:
                return
        await self._spool.append(payload)
