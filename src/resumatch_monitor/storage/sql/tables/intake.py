"""Projects that people make, and what the door and its digests remember."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
)

from resumatch_monitor.storage.sql.tables.base import METADATA, Json, Moment

# Projects made in the UI or by API; those of the configuration are not here.
PROJECTS = Table(
    "projects",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("slug", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("platform", String, nullable=False),
    Column("settings", Json, nullable=False),
    Column("created_at", Moment, nullable=False),
)

PROJECT_KEYS = Table(
    "project_keys",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column(
        "project_id",
        Integer,
        ForeignKey("projects.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("public", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("rate_limit", Json),
    Column("created_at", Moment, nullable=False),
)
Index("ix_project_keys_project_id", PROJECT_KEYS.c.project_id)

# What became of what was sent, by hours.
OUTCOMES = Table(
    "outcomes",
    METADATA,
    Column("project_id", Integer, primary_key=True),
    Column("hour", Moment, primary_key=True),
    Column("category", String, primary_key=True),
    Column("outcome", String, primary_key=True),
    Column("reason", String, primary_key=True),
    Column("quantity", Integer, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_outcomes_hour", OUTCOMES.c.hour)

# Attachments of events, and profiles and replays where they are kept. `data` is the last column,
# so that lists read no page of it.
EVENT_FILES = Table(
    "event_files",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("project_id", Integer, nullable=False),
    Column("event_id", LargeBinary(16), nullable=False),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False),
    Column("content_type", String, nullable=False),
    Column("attachment_type", String, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("stored_bytes", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
Index("ix_event_files_event", EVENT_FILES.c.project_id, EVENT_FILES.c.event_id)
Index("ix_event_files_received_at", EVENT_FILES.c.received_at)

# The items that were digested lately, so that none counts twice.
DIGESTED_ITEMS = Table(
    "digested_items",
    METADATA,
    Column("item_id", LargeBinary(16), primary_key=True),
    Column("at", Moment, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_digested_items_at", DIGESTED_ITEMS.c.at)
