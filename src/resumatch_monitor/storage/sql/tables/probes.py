"""What probes found: results, states, when they were watching, and outages."""

from sqlalchemy import Boolean, Column, Float, Index, Integer, String, Table

from resumatch_monitor.storage.sql.tables.base import METADATA, Json, Moment

PROBE_STATES = Table(
    "probe_states",
    METADATA,
    Column("probe_id", String, primary_key=True),
    Column("status", String, nullable=False),
    Column("state", Json, nullable=False),
)

PROBE_RESULTS = Table(
    "probe_results",
    METADATA,
    Column("probe_id", String, primary_key=True),
    Column("at", Moment, primary_key=True),
    Column("status", String, nullable=False),
    Column("duration_seconds", Float, nullable=False),
    Column("message", String, nullable=False),
    Column("status_code", Integer),
    sqlite_with_rowid=False,
)
Index("ix_probe_results_at", PROBE_RESULTS.c.at)

PROBE_WATCHES = Table(
    "probe_watches",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("probe_id", String, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment, nullable=False),
)
Index("ix_probe_watches_probe_id_ended_at", PROBE_WATCHES.c.probe_id, PROBE_WATCHES.c.ended_at)

PROBE_EPISODES = Table(
    "probe_episodes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("probe_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("cause", String, nullable=False),
    Column("alert_labels", Json, nullable=False),
    Column("is_start_told", Boolean, nullable=False),
    Column("is_end_told", Boolean, nullable=False),
    sqlite_autoincrement=True,
)
Index(
    "ix_probe_episodes_probe_id_kind_started_at",
    PROBE_EPISODES.c.probe_id,
    PROBE_EPISODES.c.kind,
    PROBE_EPISODES.c.started_at,
)
Index("ix_probe_episodes_is_end_told", PROBE_EPISODES.c.is_end_told)
