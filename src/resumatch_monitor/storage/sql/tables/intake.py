"""What the door and those who digest what comes through it remember."""

from sqlalchemy import Column, Index, LargeBinary, Table

from resumatch_monitor.storage.sql.tables.base import METADATA, Moment

# The items that were digested lately, so that none counts twice.
DIGESTED_ITEMS = Table(
    "digested_items",
    METADATA,
    Column("item_id", LargeBinary(16), primary_key=True),
    Column("at", Moment, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_digested_items_at", DIGESTED_ITEMS.c.at)
