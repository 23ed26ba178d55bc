"""Releases, sessions, deploys, scheduled jobs."""

import sqlalchemy as sa
from alembic import op

from resumatch_monitor.storage.sql.tables import base

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cron_clock",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("alive_at", base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cron_clock")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "cron_incidents",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("labels", base.Json(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("started_at", base.Moment(), nullable=False),
        sa.Column("ended_at", base.Moment(), nullable=True),
        sa.Column("is_told", sa.Boolean(), nullable=False),
        sa.Column("is_end_told", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cron_incidents")),
    )
    op.create_index("ix_cron_incidents_ended_at", "cron_incidents", ["ended_at"], unique=False)
    op.create_index(
        "ix_cron_incidents_untold",
        "cron_incidents",
        ["id"],
        unique=False,
        sqlite_where=sa.text("is_end_told IS 0"),
    )
    op.create_table(
        "cron_jobs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("config", base.Json(), nullable=True),
        sa.Column("problem", sa.String(), nullable=False),
        sa.Column("is_muted", sa.Boolean(), nullable=False),
        sa.Column("is_paused", sa.Boolean(), nullable=False),
        sa.Column("created_at", base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cron_jobs")),
        sa.UniqueConstraint("project_id", "slug", name=op.f("uq_cron_jobs_project_id_slug")),
    )
    op.create_table(
        "release_sessions",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("hour", base.Moment(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("errored", sa.Integer(), nullable=False),
        sa.Column("abnormal", sa.Integer(), nullable=False),
        sa.Column("crashed", sa.Integer(), nullable=False),
        sa.Column("users", sa.LargeBinary(), nullable=False),
        sa.Column("crashed_users", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "project_id", "hour", "version", "environment", name=op.f("pk_release_sessions")
        ),
    )
    op.create_index("ix_release_sessions_hour", "release_sessions", ["hour"], unique=False)
    op.create_index(
        "ix_release_sessions_version",
        "release_sessions",
        ["project_id", "version", "hour"],
        unique=False,
    )
    op.create_table(
        "session_states",
        sa.Column("sid", sa.LargeBinary(length=16), nullable=False),
        sa.Column("hour", base.Moment(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("ending", sa.Integer(), nullable=False),
        sa.Column("at", base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("sid", name=op.f("pk_session_states")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_session_states_at", "session_states", ["at"], unique=False)
    op.create_table(
        "user_feedback",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.LargeBinary(length=16), nullable=True),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("release", sa.String(), nullable=False),
        sa.Column("at", base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_feedback")),
    )
    op.create_index("ix_user_feedback_at", "user_feedback", ["at"], unique=False)
    op.create_index(
        "ix_user_feedback_event", "user_feedback", ["project_id", "event_id"], unique=False
    )
    op.create_index("ix_user_feedback_project", "user_feedback", ["project_id", "id"], unique=False)
    op.create_table(
        "cron_environments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("successes", sa.Integer(), nullable=False),
        sa.Column("next_at", base.Moment(), nullable=True),
        sa.Column("deadline_at", base.Moment(), nullable=True),
        sa.Column("missed_at", base.Moment(), nullable=True),
        sa.Column("last_at", base.Moment(), nullable=True),
        sa.Column("last_status", sa.String(), nullable=True),
        sa.Column("incident_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["cron_jobs.id"],
            name=op.f("fk_cron_environments_job_id_cron_jobs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cron_environments")),
        sa.UniqueConstraint("job_id", "name", name=op.f("uq_cron_environments_job_id_name")),
    )
    op.create_index(
        "ix_cron_environments_deadline_at", "cron_environments", ["deadline_at"], unique=False
    )
    op.create_table(
        "cron_runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("check_in_id", sa.LargeBinary(length=16), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("started_at", base.Moment(), nullable=False),
        sa.Column("finished_at", base.Moment(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("expected_at", base.Moment(), nullable=True),
        sa.Column("due_at", base.Moment(), nullable=True),
        sa.Column("is_late", sa.Boolean(), nullable=False),
        sa.Column("is_uncertain", sa.Boolean(), nullable=False),
        sa.Column("was_over_time", sa.Boolean(), nullable=False),
        sa.Column("release", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"],
            ["cron_environments.id"],
            name=op.f("fk_cron_runs_environment_id_cron_environments"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cron_runs")),
        sa.UniqueConstraint(
            "environment_id", "check_in_id", name=op.f("uq_cron_runs_environment_id_check_in_id")
        ),
    )
    op.create_index(
        "ix_cron_runs_due_at",
        "cron_runs",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_cron_runs_environment_id_id", "cron_runs", ["environment_id", "id"], unique=False
    )
    op.create_index("ix_cron_runs_started_at", "cron_runs", ["started_at"], unique=False)
