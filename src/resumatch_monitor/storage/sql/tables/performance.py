"""What ties error events to traces."""

from sqlalchemy import Column, Index, Integer, LargeBinary, Table

from resumatch_monitor.storage.sql.tables.base import METADATA, Moment

# Whose issue an event is, `issue_events` says: issues are merged and split.
TRACE_ERRORS = Table(
    "trace_errors",
    METADATA,
    Column("trace_id", LargeBinary(16), primary_key=True),
    Column("project_id", Integer, primary_key=True),
    Column("event_id", LargeBinary(16), primary_key=True),
    Column("span_id", LargeBinary(8)),
    Column("at", Moment, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_trace_errors_at", TRACE_ERRORS.c.at)
