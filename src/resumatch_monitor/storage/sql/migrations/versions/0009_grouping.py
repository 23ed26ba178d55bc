"""Merged, split and regrouped issues."""

import sqlalchemy as sa
from alembic import op

from resumatch_monitor.storage.sql.tables import base

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Made anew, so that the tables are written as fresh ones are.
    with op.batch_alter_table(
        "issue_groupings", recreate="always", table_kwargs={"sqlite_with_rowid": False}
    ) as batch_op:
        batch_op.add_column(
            sa.Column("event_count", sa.Integer(), nullable=False, server_default="0")
        )
        batch_op.add_column(sa.Column("last_seen_at", base.Moment(), nullable=True))
    with op.batch_alter_table("issue_events", recreate="always") as batch_op:
        for column in (
            sa.Column("grouping_version", sa.Integer(), nullable=True),
            sa.Column("grouping_key", sa.LargeBinary(), nullable=True),
            sa.Column("user_hash", sa.LargeBinary(length=8), nullable=True),
        ):
            batch_op.add_column(column, insert_before="dict_id")
    op.create_table(
        "project_groupings",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("previous_version", sa.Integer(), nullable=True),
        sa.Column("previous_until", base.Moment(), nullable=True),
        sa.Column("rules", sa.String(), nullable=False),
        sa.Column("updated_at", base.Moment(), nullable=True),
        sa.Column("updated_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_project_groupings")),
    )
    op.create_table(
        "project_grouping_changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("at", base.Moment(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_grouping_changes")),
    )
    op.create_index(
        "ix_project_grouping_changes_project_id", "project_grouping_changes", ["project_id", "id"]
    )
    op.create_table(
        "issue_merges",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", base.Moment(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("undone_at", base.Moment(), nullable=True),
        sa.Column("undone_by", sa.String(), nullable=True),
        sa.Column("last_event_id", sa.Integer(), nullable=False),
        sa.Column("summary", base.Json(), nullable=False),
        sa.Column("snapshot", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issue_merges")),
    )
    op.create_index("ix_issue_merges_issue_id", "issue_merges", ["issue_id", "id"])
    op.create_index("ix_issue_merges_at", "issue_merges", ["at"])
    op.create_table(
        "issue_merge_members",
        sa.Column("merge_id", sa.Integer(), nullable=False),
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("is_undone", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("merge_id", "issue_id", name=op.f("pk_issue_merge_members")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_issue_merge_members_issue_id", "issue_merge_members", ["issue_id"])
    _describe_what_there_is()


def _describe_what_there_is() -> None:
    # Before this revision an issue had one key, and every project the first version.
    op.execute(
        "UPDATE issue_groupings SET"
        " event_count = (SELECT event_count FROM issues WHERE id = issue_id),"
        " last_seen_at = (SELECT last_seen_at FROM issues WHERE id = issue_id)"
    )
    op.execute(
        "UPDATE issue_events SET (grouping_version, grouping_key) ="
        " (SELECT version, key FROM issue_groupings"
        " WHERE issue_groupings.issue_id = issue_events.issue_id)"
    )
    op.execute(
        "INSERT INTO project_groupings (project_id, version, rules)"
        " SELECT project_id, 1, '' FROM error_projects"
    )
