"""Tables of what SDKs send beside events."""

import sqlalchemy as sa
from alembic import op

from resumatch_monitor.storage.sql.tables import base

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "digested_items",
        sa.Column("item_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("at", base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_digested_items")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_digested_items_at", "digested_items", ["at"], unique=False)
