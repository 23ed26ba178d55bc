"""Searches of logs that people keep."""

from sqlalchemy import Boolean, Column, Index, Integer, String, Table

from resumatch_monitor.storage.sql.tables.base import METADATA, Moment

LOG_SEARCHES = Table(
    "log_searches",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("owner", String, nullable=False),
    Column("name", String, nullable=False),
    Column("query", String, nullable=False),
    Column("columns", String, nullable=False),
    Column("period", String, nullable=False),
    Column("is_shared", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
)
Index("ix_log_searches_owner", LOG_SEARCHES.c.owner, "id")
