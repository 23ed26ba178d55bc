"""What ties error events to traces, and what is counted of segments."""

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
)

from resumatch_monitor.storage.sql.tables.base import METADATA, Json, Moment

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

# The latest segments that were counted: after a crash some of them come again.
PERFORMANCE_COUNTED = Table(
    "performance_counted",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("key", LargeBinary(24), nullable=False, unique=True),
)

PERFORMANCE_ENDPOINTS = Table(
    "performance_endpoints",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("project_id", Integer, nullable=False),
    Column("environment", String, nullable=False),
    Column("name", String, nullable=False),
    Column("op", String, nullable=False),
    Column("seen_at", Moment, nullable=False),
    UniqueConstraint("project_id", "environment", "name", "op"),
)
Index("ix_performance_endpoints_seen_at", PERFORMANCE_ENDPOINTS.c.seen_at)

# `step` is the width in seconds, `measure` what is counted: `duration`, `lcp`, `part.db`. Sums and
# sketches are in millionths: microseconds, or of what has no unit. No foreign keys: each would cost
# a look-up for each of very many rows.
PERFORMANCE_FIGURES = Table(
    "performance_figures",
    METADATA,
    Column("step", Integer, primary_key=True),
    Column("endpoint_id", Integer, primary_key=True),
    Column("measure", String, primary_key=True),
    Column("at", Moment, primary_key=True),
    Column("seen", Integer, nullable=False),
    Column("count", Float, nullable=False),
    Column("failed", Float, nullable=False),
    Column("total", Float, nullable=False),
    Column("sketch", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_performance_figures_step_at", PERFORMANCE_FIGURES.c.step, PERFORMANCE_FIGURES.c.at)

PERFORMANCE_STATEMENTS = Table(
    "performance_statements",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("project_id", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("digest", LargeBinary(16), nullable=False),
    Column("text", String, nullable=False),
    Column("operation", String, nullable=False),
    Column("system", String, nullable=False),
    Column("tables", Json, nullable=False),
    Column("seen_at", Moment, nullable=False),
    UniqueConstraint("project_id", "kind", "digest"),
)
Index("ix_performance_statements_seen_at", PERFORMANCE_STATEMENTS.c.seen_at)

PERFORMANCE_CALLS = Table(
    "performance_calls",
    METADATA,
    Column("step", Integer, primary_key=True),
    Column("statement_id", Integer, primary_key=True),
    Column("endpoint_id", Integer, primary_key=True),
    Column("at", Moment, primary_key=True),
    Column("count", Float, nullable=False),
    Column("failed", Float, nullable=False),
    Column("total", Float, nullable=False),
    Column("sketch", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_performance_calls_endpoint_id", PERFORMANCE_CALLS.c.endpoint_id)
Index("ix_performance_calls_step_at", PERFORMANCE_CALLS.c.step, PERFORMANCE_CALLS.c.at)

# The slowest of each hour, of an `endpoint`, `statement` or `finding`.
PERFORMANCE_EXAMPLES = Table(
    "performance_examples",
    METADATA,
    Column("owner", String, primary_key=True),
    Column("owner_id", Integer, primary_key=True),
    Column("hour", Moment, primary_key=True),
    Column("duration_us", Integer, primary_key=True),
    Column("trace_id", LargeBinary(16), primary_key=True),
    Column("span_id", LargeBinary(8), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("name", String, nullable=False),
    Column("is_failed", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_performance_examples_hour", PERFORMANCE_EXAMPLES.c.hour)

PERFORMANCE_FINDINGS = Table(
    "performance_findings",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("project_id", Integer, nullable=False),
    Column("endpoint_id", Integer, ForeignKey("performance_endpoints.id"), nullable=False),
    Column("kind", String, nullable=False),
    Column("digest", LargeBinary(16), nullable=False),
    Column("title", String, nullable=False),
    Column("requests", Float, nullable=False),
    Column("most_repeats", Integer, nullable=False),
    Column("longest_us", Integer, nullable=False),
    Column("total_us", Float, nullable=False),
    Column("first_seen_at", Moment, nullable=False),
    Column("last_seen_at", Moment, nullable=False),
    Column("is_told", Boolean, nullable=False),
    Column("issue_id", Integer, ForeignKey("issues.id", ondelete="SET NULL")),
    UniqueConstraint("endpoint_id", "kind", "digest"),
)
Index("ix_performance_findings_issue_id", PERFORMANCE_FINDINGS.c.issue_id)
Index("ix_performance_findings_last_seen_at", PERFORMANCE_FINDINGS.c.last_seen_at)
Index("ix_performance_findings_is_told", PERFORMANCE_FINDINGS.c.is_told)
