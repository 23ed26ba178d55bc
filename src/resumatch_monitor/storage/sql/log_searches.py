"""Searches of logs that people keep, in SQL."""

import json
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from resumatch_monitor.logs.searches import LogSearch, TooManySearchesError
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.statements import AnyRow
from resumatch_monitor.storage.sql.tables.logs import LOG_SEARCHES

_OWN_MAX = 100
_LISTED_MAX = 500


class SqlLogSearches:
    """Implements `LogSearches`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_for(self, owner: str) -> Sequence[LogSearch]:
        """See `LogSearches`."""
        table = LOG_SEARCHES.c
        query = (
            select(LOG_SEARCHES)
            .where(or_(table.owner == owner, table.is_shared.is_(True)))
            .order_by(func.lower(table.name), table.id)
            .limit(_LISTED_MAX)
        )
        return await self._database.read(
            lambda connection: [_read(row) for row in connection.execute(query)]
        )

    async def find(self, search_id: int) -> LogSearch | None:
        """See `LogSearches`."""
        query = select(LOG_SEARCHES).where(LOG_SEARCHES.c.id == search_id)

        def read(connection: Connection) -> LogSearch | None:
            row = connection.execute(query).one_or_none()
            return None if row is None else _read(row)

        return await self._database.read(read)

    async def add(self, search: LogSearch) -> LogSearch:
        """See `LogSearches`."""

        def write(connection: Connection) -> int:
            own = select(func.count()).where(LOG_SEARCHES.c.owner == search.owner)
            if connection.execute(own).scalar_one() >= _OWN_MAX:
                raise TooManySearchesError(f"You keep {_OWN_MAX} searches; delete one first.")
            statement = insert(LOG_SEARCHES).returning(LOG_SEARCHES.c.id)
            return connection.execute(statement, _values(search)).scalar_one()

        return replace(search, id=await self._database.write(write))

    async def replace(self, search: LogSearch) -> None:
        """See `LogSearches`."""
        statement = update(LOG_SEARCHES).where(LOG_SEARCHES.c.id == search.id)
        await self._database.write(
            lambda connection: connection.execute(statement, _values(search))
        )

    async def delete(self, search_id: int) -> None:
        """See `LogSearches`."""
        statement = delete(LOG_SEARCHES).where(LOG_SEARCHES.c.id == search_id)
        await self._database.write(lambda connection: connection.execute(statement))


def _values(search: LogSearch) -> dict[str, object]:
    return {
        "owner": search.owner,
        "name": search.name,
        "query": search.query,
        "columns": json.dumps(search.columns),
        "period": search.period,
        "is_shared": search.is_shared,
        "created_at": search.created_at,
    }


def _read(row: AnyRow) -> LogSearch:
    return LogSearch(
        id=row.id,
        owner=row.owner,
        name=row.name,
        query=row.query,
        columns=tuple(json.loads(row.columns)),
        period=row.period,
        is_shared=row.is_shared,
        created_at=row.created_at,
    )
