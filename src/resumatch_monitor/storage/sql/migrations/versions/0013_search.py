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
