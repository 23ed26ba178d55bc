"""Searches that people keep, in SQL."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from resumatch_monitor.errortracking.issues import IssueSort
from resumatch_monitor.errortracking.search.facets import SavedSearch, TooManySearchesError
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.statements import AnyRow
from resumatch_monitor.storage.sql.tables.search import SAVED_SEARCHES

_OWN_MAX = 100
_LISTED_MAX = 500


class SqlSavedSearches:
    """Implements `SavedSearches`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_for(self, owner: str) -> Sequence[SavedSearch]:
        """Return somebody's own and those that are shared, by name."""
        columns = SAVED_SEARCHES.c
        query = (
            select(SAVED_SEARCHES)
            .where(or_(columns.owner == owner, columns.is_shared.is_(True)))
            .order_by(func.lower(columns.name), columns.id)
            .limit(_LISTED_MAX)
        )
        return await self._database.read(
            lambda connection: [_read(row) for row in connection.execute(query)]
        )

    async def find(self, search_id: int) -> SavedSearch | None:
        """Return a search."""
        query = select(SAVED_SEARCHES).where(SAVED_SEARCHES.c.id == search_id)

        def read(connection: Connection) -> SavedSearch | None:
            row = connection.execute(query).one_or_none()
            return None if row is None else _read(row)

        return await self._database.read(read)

    async def add(self, search: SavedSearch) -> SavedSearch:
        """Keep a search; its id is given."""

        def write(connection: Connection) -> int:
            own = select(func.count()).where(SAVED_SEARCHES.c.owner == search.owner)
            if connection.execute(own).scalar_one() >= _OWN_MAX:
                raise TooManySearchesError(f"You keep {_OWN_MAX} searches; delete one first.")
            statement = insert(SAVED_SEARCHES).returning(SAVED_SEARCHES.c.id)
            return connection.execute(statement, _values(search)).scalar_one()

        return replace(search, id=await self._database.write(write))

    async def replace(self, search: SavedSearch) -> None:
        """Change a search; one that is gone stays gone."""
        statement = update(SAVED_SEARCHES).where(SAVED_SEARCHES.c.id == search.id)
        await self._database.write(
            lambda connection: connection.execute(statement, _values(search))
        )

    async def delete(self, search_id: int) -> None:
        """Forget a search."""
        statement = delete(SAVED_SEARCHES).where(SAVED_SEARCHES.c.id == search_id)
        await self._database.write(lambda connection: connection.execute(statement))


def _values(search: SavedSearch) -> dict[str, object]:
    return {
        "owner": search.owner,
        "name": search.name,
        "query": search.query,
        "sort": search.sort.value,
        "is_shared": search.is_shared,
        "created_at": search.created_at,
    }


def _read(row: AnyRow) -> SavedSearch:
    return SavedSearch(
        id=row.id,
        owner=row.owner,
        name=row.name,
        query=row.query,
        sort=IssueSort(row.sort),
        is_shared=row.is_shared,
        created_at=row.created_at,
    )
