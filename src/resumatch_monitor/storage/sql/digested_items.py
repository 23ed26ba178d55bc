"""Which items were digested, for processors to whom a record may come a second time."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select

from resumatch_monitor.sentry.items import ItemRecord
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables.intake import DIGESTED_ITEMS

_REMEMBERED = timedelta(days=1)
_PARAMETERS_PER_QUERY = 400
_ID_BYTES = 16
_FORGOTTEN_AT_ONCE = 5_000


def keep_new(connection: Connection, records: Sequence[ItemRecord]) -> list[ItemRecord]:
    """Return the records that were not digested before, and remember that they are.

    Call it in the transaction that stores what comes of them: then both happen, or neither.

    Args:
        connection: The processor's own transaction.
        records: In any number and order; the answer keeps it.
    """
    ids = [_encode_id(record.item_id) for record in records]
    known: set[bytes] = set()
    for start in range(0, len(ids), _PARAMETERS_PER_QUERY):
        chunk = ids[start : start + _PARAMETERS_PER_QUERY]
        known.update(
            connection.scalars(
                select(DIGESTED_ITEMS.c.item_id).where(DIGESTED_ITEMS.c.item_id.in_(chunk))
            )
        )
    fresh: list[ItemRecord] = []
    rows: list[dict[str, object]] = []
    for item_id, record in zip(ids, records, strict=True):
        if item_id not in known:
            known.add(item_id)
            fresh.append(record)
            rows.append({"item_id": item_id, "at": record.received_at})
    if rows:
        connection.execute(insert(DIGESTED_ITEMS), rows)
    return fresh


class DigestedItems:
    """Forgets what was digested long ago."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def expire(self, now: datetime) -> int:
        """Forget what came more than a day before the latest; return how much, at most 5,000.

        A record comes a second time only because it was not committed when the process ended, and
        then it is among the first that are read after the start. What waits for days to be
        digested was not received lately, so the present moment says nothing.
        """
        del now
        return await self._database.write(_forget_old)


def _forget_old(connection: Connection) -> int:
    newest = connection.scalar(select(func.max(DIGESTED_ITEMS.c.at)))
    if newest is None:
        return 0
    old = (
        select(DIGESTED_ITEMS.c.item_id)
        .where(DIGESTED_ITEMS.c.at < newest - _REMEMBERED)
        .limit(_FORGOTTEN_AT_ONCE)
    )
    return connection.execute(
        delete(DIGESTED_ITEMS).where(DIGESTED_ITEMS.c.item_id.in_(old))
    ).rowcount


def _encode_id(item_id: str) -> bytes:
    try:
        encoded = bytes.fromhex(item_id)
    except ValueError:
        encoded = b""
    if len(encoded) == _ID_BYTES:
        return encoded
    return hashlib.blake2b(item_id.encode("utf-8", "replace"), digest_size=_ID_BYTES).digest()
