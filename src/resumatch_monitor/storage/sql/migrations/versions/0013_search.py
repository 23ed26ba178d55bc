"""Finding issues, and storing their events in less space."""

import sqlalchemy as sa
from alembic import op

from resumatch_monitor.storage.sql.tables import base
from resumatch_monitor.storage.sql.tables.search import FULL_TEXT

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


_ISSUES_AT_ONCE = 5_000


def upgrade() -> None:
    _make_smaller()
    _make_findable()


def _make_smaller() -> None:
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


def _make_findable() -> None:
    op.create_index("ix_issue_tags_value", "issue_tags", ["key", "value", "issue_id"])
    op.create_index("ix_issue_releases_version", "issue_releases", ["version", "issue_id"])
    op.create_table(
        "saved_searches",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("query", sa.String(), nullable=False),
        sa.Column("sort", sa.String(), nullable=False),
        sa.Column("is_shared", sa.Boolean(), nullable=False),
        sa.Column("created_at", base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_searches")),
    )
    op.create_index("ix_saved_searches_owner", "saved_searches", ["owner", "id"])
    for statement in FULL_TEXT:
        op.execute(statement)
    connection = op.get_bind()
    newest = connection.scalar(sa.text("SELECT coalesce(max(id), 0) FROM issues")) or 0
    for first in range(0, newest + 1, _ISSUES_AT_ONCE):
        connection.execute(
            sa.text(
                "INSERT INTO issue_search (rowid, search_text) SELECT id, search_text FROM issues"
                " WHERE id >= :first AND id < :first + :many"
            ),
            {"first": first, "many": _ISSUES_AT_ONCE},
        )
