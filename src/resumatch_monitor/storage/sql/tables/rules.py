"""The alerts of rules that are pending or firing, so that a restart forgets none."""

from sqlalchemy import Column, Float, String, Table

from resumatch_monitor.storage.sql.tables.base import METADATA, Json, Moment

RULE_STATES = Table(
    "rule_states",
    METADATA,
    Column("file_name", String, primary_key=True),
    Column("rule_group", String, primary_key=True),
    Column("rule", String, primary_key=True),
    Column("digest", String, primary_key=True),
    Column("fingerprint", String, primary_key=True),
    Column("labels", Json, nullable=False),
    Column("annotations", Json, nullable=False),
    Column("state", String, nullable=False),
    Column("value", Float),
    Column("active_at", Moment, nullable=False),
    Column("fired_at", Moment),
    Column("missing_since", Moment),
    Column("resolved_at", Moment),
    Column("seen_at", Moment, nullable=False),
)
