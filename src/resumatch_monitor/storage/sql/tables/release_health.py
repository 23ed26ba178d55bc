"""Scheduled jobs and their runs."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
)

from resumatch_monitor.storage.sql.tables.base import METADATA, Json, Moment

CRON_JOBS = Table(
    "cron_jobs",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("project_id", Integer, nullable=False),
    Column("slug", String, nullable=False),
    Column("config", Json),
    Column("problem", String, nullable=False),
    Column("is_muted", Boolean, nullable=False),
    Column("is_paused", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("project_id", "slug"),
)

# `deadline_at` is `next_at` and the margin: after it the run is missed. `missed_at` is the moment
# that was missed last, until something runs.
CRON_ENVIRONMENTS = Table(
    "cron_environments",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("job_id", Integer, ForeignKey("cron_jobs.id", ondelete="CASCADE"), nullable=False),
    Column("name", String, nullable=False),
    Column("status", String, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("successes", Integer, nullable=False),
    Column("next_at", Moment),
    Column("deadline_at", Moment),
    Column("missed_at", Moment),
    Column("last_at", Moment),
    Column("last_status", String),
    Column("incident_id", Integer),
    UniqueConstraint("job_id", "name"),
)
Index("ix_cron_environments_deadline_at", CRON_ENVIRONMENTS.c.deadline_at)

# `due_at` is when a run that is in progress is over time; null once it is decided.
CRON_RUNS = Table(
    "cron_runs",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column(
        "environment_id",
        Integer,
        ForeignKey("cron_environments.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("check_in_id", LargeBinary(16)),
    Column("status", String, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("finished_at", Moment),
    Column("duration_ms", Integer),
    Column("expected_at", Moment),
    Column("due_at", Moment),
    Column("is_late", Boolean, nullable=False),
    Column("is_uncertain", Boolean, nullable=False),
    Column("was_over_time", Boolean, nullable=False),
    Column("release", String, nullable=False),
    UniqueConstraint("environment_id", "check_in_id"),
)
Index("ix_cron_runs_started_at", CRON_RUNS.c.started_at)
Index("ix_cron_runs_environment_id_id", CRON_RUNS.c.environment_id, CRON_RUNS.c.id)
Index("ix_cron_runs_due_at", CRON_RUNS.c.due_at, sqlite_where=CRON_RUNS.c.due_at.is_not(None))

# They outlive their jobs: an alert that was told has to end.
CRON_INCIDENTS = Table(
    "cron_incidents",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("kind", String, nullable=False),
    Column("labels", Json, nullable=False),
    Column("cause", String, nullable=False),
    Column("path", String, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("is_told", Boolean, nullable=False),
    Column("is_end_told", Boolean, nullable=False),
)
Index(
    "ix_cron_incidents_untold",
    CRON_INCIDENTS.c.id,
    sqlite_where=CRON_INCIDENTS.c.is_end_told.is_(False),
)
Index("ix_cron_incidents_ended_at", CRON_INCIDENTS.c.ended_at)

# One row: when the monitor was alive last.
CRON_CLOCK = Table(
    "cron_clock",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("alive_at", Moment, nullable=False),
    sqlite_with_rowid=False,
)

# Sessions by the hour in which they began. The last two columns are HyperLogLogs of users.
RELEASE_SESSIONS = Table(
    "release_sessions",
    METADATA,
    Column("project_id", Integer, primary_key=True),
    Column("hour", Moment, primary_key=True),
    Column("version", String, primary_key=True),
    Column("environment", String, primary_key=True),
    Column("total", Integer, nullable=False),
    Column("errored", Integer, nullable=False),
    Column("abnormal", Integer, nullable=False),
    Column("crashed", Integer, nullable=False),
    Column("users", LargeBinary, nullable=False),
    Column("crashed_users", LargeBinary, nullable=False),
)
Index(
    "ix_release_sessions_version",
    RELEASE_SESSIONS.c.project_id,
    RELEASE_SESSIONS.c.version,
    RELEASE_SESSIONS.c.hour,
)
Index("ix_release_sessions_hour", RELEASE_SESSIONS.c.hour)

# Sessions of which more may be said: where each was counted, and as what.
SESSION_STATES = Table(
    "session_states",
    METADATA,
    Column("sid", LargeBinary(16), primary_key=True),
    Column("hour", Moment, nullable=False),
    Column("version", String, nullable=False),
    Column("environment", String, nullable=False),
    Column("ending", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_session_states_at", SESSION_STATES.c.at)

# What users wrote; the issue is found by the event, which may come later and move.
USER_FEEDBACK = Table(
    "user_feedback",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("project_id", Integer, nullable=False),
    Column("event_id", LargeBinary(16)),
    Column("message", String, nullable=False),
    Column("name", String, nullable=False),
    Column("email", String, nullable=False),
    Column("url", String, nullable=False),
    Column("source", String, nullable=False),
    Column("environment", String, nullable=False),
    Column("release", String, nullable=False),
    Column("at", Moment, nullable=False),
)
Index("ix_user_feedback_project", USER_FEEDBACK.c.project_id, USER_FEEDBACK.c.id)
Index("ix_user_feedback_event", USER_FEEDBACK.c.project_id, USER_FEEDBACK.c.event_id)
Index("ix_user_feedback_at", USER_FEEDBACK.c.at)
