"""What people decide about issues, and rules over issues."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from resumatch_monitor.storage.sql.tables import base

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _add_columns()
    op.create_table(
        "issue_decisions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", base.Moment(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("before", base.Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issue_decisions")),
    )
    op.create_index("ix_issue_decisions_at", "issue_decisions", ["at"])
    scope = ("rule", "project_id", "issue_id")
    op.create_table(
        "issue_rule_counts",
        *_scope(),
        sa.Column("bucket", base.Moment(), nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(*scope, "bucket", name=op.f("pk_issue_rule_counts")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_issue_rule_counts_bucket", "issue_rule_counts", ["rule", "bucket"])
    op.create_table(
        "issue_rule_users",
        *_scope(),
        sa.Column("user_hash", sa.LargeBinary(length=8), nullable=False),
        sa.Column("seen_at", base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint(*scope, "user_hash", name=op.f("pk_issue_rule_users")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_issue_rule_users_seen_at", "issue_rule_users", ["rule", "seen_at"])
    op.create_table(
        "issue_open_alerts",
        *_scope(),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("started_at", base.Moment(), nullable=False),
        sa.Column("ended_at", base.Moment(), nullable=True),
        sa.Column("end_told_at", base.Moment(), nullable=True),
        sa.Column("labels", base.Json(), nullable=True),
        sa.Column("annotations", base.Json(), nullable=True),
        sa.PrimaryKeyConstraint(*scope, name=op.f("pk_issue_open_alerts")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_issue_open_alerts_issue_id", "issue_open_alerts", ["issue_id"])
    op.create_table(
        "issue_storms",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("state", base.Json(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "severity", name=op.f("pk_issue_storms")),
        sqlite_with_rowid=False,
    )


def _scope() -> tuple[sa.Column[str], sa.Column[int], sa.Column[int]]:
    return (
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("issue_id", sa.Integer(), nullable=False),
    )


def _add_columns() -> None:
    # Made anew, so that the tables are written as fresh ones are.
    _add(
        "issues",
        sa.Column("resolution", sa.String()),
        sa.Column("resolution_release", sa.String()),
        sa.Column("resolution_commit", sa.String()),
        sa.Column("archive", base.Json()),
        sa.Column("archived_until", base.Moment()),
        sa.Column("is_escalating", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("assignee", sa.String()),
        sa.Column("priority", sa.String()),
        sa.Column("revision", sa.Integer(), nullable=False, server_default="0"),
    )
    for name in ("archived_until", "resolution_commit", "assignee"):
        op.create_index(
            f"ix_issues_{name}", "issues", [name], sqlite_where=sa.text(f"{name} IS NOT NULL")
        )
    _add("issue_activity", sa.Column("edited_at", base.Moment()))
    _add(
        "issue_alerts",
        sa.Column("rule", sa.String()),
        sa.Column("severity", sa.String()),
        sa.Column("release", sa.String()),
        sa.Column("value", sa.Integer()),
        sa.Column("remark", sa.String()),
        sa.Column("is_lasting", sa.Boolean(), nullable=False, server_default=sa.false()),
    )


def _add(table: str, *columns: sa.Column[Any]) -> None:
    with op.batch_alter_table(table, recreate="always") as batch_op:
        for column in columns:
            batch_op.add_column(column)
