"""Tables of probes."""

import sqlalchemy as sa
from alembic import op

from resumatch_monitor.storage.sql.tables import base

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "probe_states",
        sa.Column("probe_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("state", base.Json(), nullable=False),
        sa.PrimaryKeyConstraint("probe_id", name=op.f("pk_probe_states")),
    )
    op.create_table(
        "probe_results",
        sa.Column("probe_id", sa.String(), nullable=False),
        sa.Column("at", base.Moment(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("duration_seconds", sa.Float(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("probe_id", "at", name=op.f("pk_probe_results")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_probe_results_at", "probe_results", ["at"])
    op.create_table(
        "probe_watches",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("probe_id", sa.String(), nullable=False),
        sa.Column("started_at", base.Moment(), nullable=False),
        sa.Column("ended_at", base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_probe_watches")),
    )
    op.create_index("ix_probe_watches_probe_id_ended_at", "probe_watches", ["probe_id", "ended_at"])
    op.create_table(
        "probe_episodes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("probe_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("started_at", base.Moment(), nullable=False),
        sa.Column("opened_at", base.Moment(), nullable=False),
        sa.Column("ended_at", base.Moment(), nullable=True),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("alert_labels", base.Json(), nullable=False),
        sa.Column("is_start_told", sa.Boolean(), nullable=False),
        sa.Column("is_end_told", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_probe_episodes")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_probe_episodes_probe_id_kind_started_at",
        "probe_episodes",
        ["probe_id", "kind", "started_at"],
    )
    op.create_index("ix_probe_episodes_is_end_told", "probe_episodes", ["is_end_told"])


def downgrade() -> None:
    for table in ("probe_episodes", "probe_watches", "probe_results", "probe_states"):
        op.drop_table(table)
