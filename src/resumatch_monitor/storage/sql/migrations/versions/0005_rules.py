"""Tables of rules."""

import sqlalchemy as sa
from alembic import op

from resumatch_monitor.storage.sql.tables import base

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rule_states",
        sa.Column("file_name", sa.String(), nullable=False),
        sa.Column("rule_group", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("labels", base.Json(), nullable=False),
        sa.Column("annotations", base.Json(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("active_at", base.Moment(), nullable=False),
        sa.Column("fired_at", base.Moment(), nullable=True),
        sa.Column("missing_since", base.Moment(), nullable=True),
        sa.Column("resolved_at", base.Moment(), nullable=True),
        sa.Column("seen_at", base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint(
            "file_name",
            "rule_group",
            "rule",
            "digest",
            "fingerprint",
            name=op.f("pk_rule_states"),
        ),
    )


def downgrade() -> None:
    op.drop_table("rule_states")
