"""Who may use the monitor: users, their sessions, API tokens; and the projects of SDKs."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table

from resumatch_monitor.storage.sql.tables.base import METADATA, Moment

USERS = Table(
    "users",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("email", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("password_hash", String, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("disabled_at", Moment),
)

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("token_hash", String, primary_key=True),
    Column("user_id", Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("last_seen_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("user_agent", String, nullable=False),
)
Index("ix_sessions_user_id", SESSIONS.c.user_id)

API_TOKENS = Table(
    "api_tokens",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("token_hash", String, nullable=False, unique=True),
    Column("role", String, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("last_used_at", Moment),
    Column("created_by", String, nullable=False),
)
