"""When pushed alerts end, in SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from resumatch_monitor.storage.sql.alerts_rows import in_chunks
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables.alerting import ALERT_EXPIRIES


class SqlExpiries:
    """The `ExpiryStore` of the relational database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> dict[str, datetime]:
        """Return the moments by the alerts' fingerprints."""

        def work(connection: Connection) -> dict[str, datetime]:
            rows = connection.execute(select(ALERT_EXPIRIES))
            return {row.fingerprint: row.expires_at for row in rows}

        return await self._database.read(work)

    async def save(self, expiries: Mapping[str, datetime]) -> None:
        """Store new and changed ones."""
        rows = [{"fingerprint": each, "expires_at": at} for each, at in expiries.items()]
        query = upsert(ALERT_EXPIRIES)
        query = query.on_conflict_do_update(
            index_elements=["fingerprint"], set_={"expires_at": query.excluded.expires_at}
        )
        await self._database.write(lambda connection: connection.execute(query, rows))

    async def remove(self, fingerprints: Sequence[str]) -> None:
        """Delete some."""

        def work(connection: Connection) -> None:
            for chunk in in_chunks(fingerprints):
                connection.execute(
                    delete(ALERT_EXPIRIES).where(ALERT_EXPIRIES.c.fingerprint.in_(chunk))
                )

        await self._database.write(work)
