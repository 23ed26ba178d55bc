"""Rules made in the UI, and the alerts of all rules that are pending or firing, on logs too."""

from sqlalchemy import Boolean, Column, Float, Index, Integer, String, Table

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

LOG_RULE_STATES = Table(
    "log_rule_states",
    METADATA,
    Column("rule", String, primary_key=True),
    Column("fingerprint", String, primary_key=True),
    Column("labels", Json, nullable=False),
    Column("annotations", Json, nullable=False),
    Column("state", String, nullable=False),
    Column("value", Float, nullable=False),
    Column("active_at", Moment, nullable=False),
    Column("fired_at", Moment),
    Column("missing_since", Moment),
    Column("resolved_at", Moment),
    Column("seen_at", Moment, nullable=False),
)

# Rules that are made in the UI or by API; those of files stay in their files.
MANAGED_RULES = Table(
    "managed_rules",
    METADATA,
    Column("id", String, primary_key=True),
    Column("rule_group", String, nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", String, nullable=False),
    # The rule as a Prometheus rule file has it, and what only the monitor knows of it.
    Column("body", Json, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("updated_by", String, nullable=False),
)
Index("ix_managed_rules_rule_group_position", MANAGED_RULES.c.rule_group, MANAGED_RULES.c.position)

MANAGED_RULE_VERSIONS = Table(
    "managed_rule_versions",
    METADATA,
    Column("rule_id", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("rule_group", String, nullable=False),
    Column("name", String, nullable=False),
    # None: it was deleted.
    Column("body", Json),
    Column("updated_at", Moment, nullable=False),
    Column("updated_by", String, nullable=False),
)
