"""Finding issues, and storing their events in less space."""

import sqlalchemy as sa
from alembic import op

from resumatch_monitor.storage.sql.tables import base

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payload_dictionaries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("made_at", base.Moment(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payload_dictionaries")),
    )
    op.create_index(
        "ix_payload_dictionaries_project_id",
        "payload_dictionaries",
        ["project_id", "id"],
        unique=False,
    )
    with op.batch_alter_table("issue_events", recreate="always") as batch_op:
        batch_op.add_column(
            sa.Column("kept_for", sa.Integer(), nullable=False, server_default="0"),
            insert_before="dict_id",
        )
    op.drop_index("ix_issue_events_occurred", "issue_events")
    op.create_index(
        "ix_issue_events_occurred", "issue_events", ["issue_id", "occurred_at", "id", "kept_for"]
    )
    op.create_index("ix_issues_project_stored", "issues", ["project_id", "stored_count"])
