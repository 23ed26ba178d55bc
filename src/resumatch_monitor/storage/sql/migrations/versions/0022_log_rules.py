"""Alerts of rules over log records."""

import sqlalchemy as sa
from alembic import op

from resumatch_monitor.storage.sql.tables import base

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "log_rule_states",
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("labels", base.Json(), nullable=False),
        sa.Column("annotations", base.Json(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("active_at", base.Moment(), nullable=False),
        sa.Column("fired_at", base.Moment(), nullable=True),
        sa.Column("missing_since", base.Moment(), nullable=True),
        sa.Column("resolved_at", base.Moment(), nullable=True),
        sa.Column("seen_at", base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("rule", "fingerprint", name=op.f("pk_log_rule_states")),
    )
