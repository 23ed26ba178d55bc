"""Which error events occurred in which traces."""

import sqlalchemy as sa
from alembic import op

from resumatch_monitor.storage.sql.tables import base

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trace_errors",
        sa.Column("trace_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("span_id", sa.LargeBinary(length=8), nullable=True),
        sa.Column("at", base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("trace_id", "project_id", "event_id", name=op.f("pk_trace_errors")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_trace_errors_at", "trace_errors", ["at"], unique=False)
