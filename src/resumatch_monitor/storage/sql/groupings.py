"""How projects group, in SQL."""

from collections.abc import Sequence

from sqlalchemy import select

from resumatch_monitor.errortracking.grouping.project import StoredGrouping
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables.grouping import PROJECT_GROUPINGS


class SqlGroupingStore:
    """Implements `GroupingSource` of error tracking."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_groupings(self) -> Sequence[StoredGrouping]:
        """Return every project that has begun."""
        query = select(PROJECT_GROUPINGS)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [StoredGrouping(*row) for row in rows]
