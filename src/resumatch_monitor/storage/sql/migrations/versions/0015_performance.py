"""Figures of endpoints, statements and web vitals, and what is wrong in requests."""

import sqlalchemy as sa
from alembic import op

from resumatch_monitor.storage.sql.tables import base

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "performance_calls",
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("statement_id", sa.Integer(), nullable=False),
        sa.Column("endpoint_id", sa.Integer(), nullable=False),
        sa.Column("at", base.Moment(), nullable=False),
        sa.Column("count", sa.Float(), nullable=False),
        sa.Column("failed", sa.Float(), nullable=False),
        sa.Column("total", sa.Float(), nullable=False),
        sa.Column("sketch", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "step", "statement_id", "endpoint_id", "at", name=op.f("pk_performance_calls")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_performance_calls_endpoint_id", "performance_calls", ["endpoint_id"], unique=False
    )
    op.create_index(
        "ix_performance_calls_step_at", "performance_calls", ["step", "at"], unique=False
    )

    op.create_table(
        "performance_counted",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.LargeBinary(length=24), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_performance_counted")),
        sa.UniqueConstraint("key", name=op.f("uq_performance_counted_key")),
    )
    op.create_table(
        "performance_endpoints",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("op", sa.String(), nullable=False),
        sa.Column("seen_at", base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_performance_endpoints")),
        sa.UniqueConstraint(
            "project_id",
            "environment",
            "name",
            "op",
            name=op.f("uq_performance_endpoints_project_id_environment_name_op"),
        ),
    )
    op.create_index(
        "ix_performance_endpoints_seen_at", "performance_endpoints", ["seen_at"], unique=False
    )

    op.create_table(
        "performance_examples",
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("hour", base.Moment(), nullable=False),
        sa.Column("duration_us", sa.Integer(), nullable=False),
        sa.Column("trace_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("span_id", sa.LargeBinary(length=8), nullable=False),
        sa.Column("at", base.Moment(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("is_failed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(
            "owner",
            "owner_id",
            "hour",
            "duration_us",
            "trace_id",
            "span_id",
            name=op.f("pk_performance_examples"),
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_performance_examples_hour", "performance_examples", ["hour"], unique=False)

    op.create_table(
        "performance_figures",
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("endpoint_id", sa.Integer(), nullable=False),
        sa.Column("measure", sa.String(), nullable=False),
        sa.Column("at", base.Moment(), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("count", sa.Float(), nullable=False),
        sa.Column("failed", sa.Float(), nullable=False),
        sa.Column("total", sa.Float(), nullable=False),
        sa.Column("sketch", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "step", "endpoint_id", "measure", "at", name=op.f("pk_performance_figures")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_performance_figures_step_at", "performance_figures", ["step", "at"], unique=False
    )

    op.create_table(
        "performance_statements",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("tables", base.Json(), nullable=False),
        sa.Column("seen_at", base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_performance_statements")),
        sa.UniqueConstraint(
            "project_id",
            "kind",
            "digest",
            name=op.f("uq_performance_statements_project_id_kind_digest"),
        ),
    )
    op.create_index(
        "ix_performance_statements_seen_at", "performance_statements", ["seen_at"], unique=False
    )

    op.create_table(
        "performance_findings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("endpoint_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("requests", sa.Float(), nullable=False),
        sa.Column("most_repeats", sa.Integer(), nullable=False),
        sa.Column("longest_us", sa.Integer(), nullable=False),
        sa.Column("total_us", sa.Float(), nullable=False),
        sa.Column("first_seen_at", base.Moment(), nullable=False),
        sa.Column("last_seen_at", base.Moment(), nullable=False),
        sa.Column("is_told", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["performance_endpoints.id"],
            name=op.f("fk_performance_findings_endpoint_id_performance_endpoints"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_performance_findings")),
        sa.UniqueConstraint(
            "endpoint_id",
            "kind",
            "digest",
            name=op.f("uq_performance_findings_endpoint_id_kind_digest"),
        ),
    )
    op.create_index(
        "ix_performance_findings_is_told", "performance_findings", ["is_told"], unique=False
    )
    op.create_index(
        "ix_performance_findings_last_seen_at",
        "performance_findings",
        ["last_seen_at"],
        unique=False,
    )
