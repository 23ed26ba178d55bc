"""Alerts, what people were told of them, and the outbox."""

import sqlalchemy as sa
from alembic import op

from resumatch_monitor.storage.sql.tables import base

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert_groups",
        sa.Column("receiver", sa.String(), nullable=False),
        sa.Column("group_key", sa.String(), nullable=False),
        sa.Column("anchor_at", base.Moment(), nullable=False),
        sa.Column("notified_at", base.Moment(), nullable=False),
        sa.Column("thread_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("receiver", "group_key", name=op.f("pk_alert_groups")),
    )
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("starts_at", base.Moment(), nullable=False),
        sa.Column("ends_at", base.Moment(), nullable=True),
        sa.Column("source_starts_at", base.Moment(), nullable=False),
        sa.Column("received_at", base.Moment(), nullable=False),
        sa.Column("changed_at", base.Moment(), nullable=False),
        sa.Column("notified_at", base.Moment(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("labels", base.Json(), nullable=False),
        sa.Column("annotations", base.Json(), nullable=False),
        sa.Column("generator_path", sa.String(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("is_event", sa.Boolean(), nullable=False),
        sa.Column("is_latest", sa.Boolean(), nullable=False),
        sa.Column("is_settled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sa.UniqueConstraint(
            "fingerprint", "starts_at", name=op.f("uq_alerts_fingerprint_starts_at")
        ),
    )
    with op.batch_alter_table("alerts", schema=None) as batch_op:
        batch_op.create_index("ix_alerts_changed_at_id", ["changed_at", "id"], unique=False)
        batch_op.create_index("ix_alerts_ends_at", ["ends_at"], unique=False)
        batch_op.create_index("ix_alerts_is_settled", ["is_settled"], unique=False)
        batch_op.create_index("ix_alerts_starts_at", ["starts_at"], unique=False)

    op.create_table(
        "notifications",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("receiver", sa.String(), nullable=False),
        sa.Column("group_key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("payload", base.Json(), nullable=False),
        sa.Column("created_at", base.Moment(), nullable=False),
        sa.Column("is_replaceable", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
    )
    with op.batch_alter_table("notifications", schema=None) as batch_op:
        batch_op.create_index("ix_notifications_created_at", ["created_at"], unique=False)

    op.create_table(
        "told_alerts",
        sa.Column("receiver", sa.String(), nullable=False),
        sa.Column("group_key", sa.String(), nullable=False),
        sa.Column("member_key", sa.String(), nullable=False),
        sa.Column("told_at", base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("receiver", "group_key", "member_key", name=op.f("pk_told_alerts")),
    )
    with op.batch_alter_table("told_alerts", schema=None) as batch_op:
        batch_op.create_index("ix_told_alerts_member_key", ["member_key"], unique=False)

    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("notification_id", sa.String(), nullable=False),
        sa.Column("receiver", sa.String(), nullable=False),
        sa.Column("integration", sa.String(), nullable=False),
        sa.Column("integration_index", sa.Integer(), nullable=False),
        sa.Column("group_key", sa.String(), nullable=False),
        sa.Column("destination", sa.String(), nullable=False),
        sa.Column("idempotency_key", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", base.Moment(), nullable=False),
        sa.Column("queued_at", base.Moment(), nullable=False),
        sa.Column("next_attempt_at", base.Moment(), nullable=True),
        sa.Column("sent_at", base.Moment(), nullable=True),
        sa.Column("last_error", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("remaining", base.Json(), nullable=False),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notifications.id"],
            name=op.f("fk_deliveries_notification_id_notifications"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index("ix_deliveries_notification_id", ["notification_id"], unique=False)
        batch_op.create_index("ix_deliveries_status", ["status"], unique=False)
        batch_op.create_index(
            "ix_deliveries_waiting",
            ["receiver", "integration", "integration_index", "group_key"],
            unique=False,
            sqlite_where=sa.text("status IN ('queued', 'retrying')"),
        )

    op.create_table(
        "notification_alerts",
        sa.Column("notification_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notifications.id"],
            name=op.f("fk_notification_alerts_notification_id_notifications"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("notification_id", "position", name=op.f("pk_notification_alerts")),
    )
    with op.batch_alter_table("notification_alerts", schema=None) as batch_op:
        batch_op.create_index("ix_notification_alerts_fingerprint", ["fingerprint"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("notification_alerts", schema=None) as batch_op:
        batch_op.drop_index("ix_notification_alerts_fingerprint")

    op.drop_table("notification_alerts")
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_deliveries_waiting", sqlite_where=sa.text("status IN ('queued', 'retrying')")
        )
        batch_op.drop_index("ix_deliveries_status")
        batch_op.drop_index("ix_deliveries_notification_id")

    op.drop_table("deliveries")
    with op.batch_alter_table("told_alerts", schema=None) as batch_op:
        batch_op.drop_index("ix_told_alerts_member_key")

    op.drop_table("told_alerts")
    with op.batch_alter_table("notifications", schema=None) as batch_op:
        batch_op.drop_index("ix_notifications_created_at")

    op.drop_table("notifications")
    with op.batch_alter_table("alerts", schema=None) as batch_op:
        batch_op.drop_index("ix_alerts_starts_at")
        batch_op.drop_index("ix_alerts_is_settled")
        batch_op.drop_index("ix_alerts_ends_at")
        batch_op.drop_index("ix_alerts_changed_at_id")

    op.drop_table("alerts")
    op.drop_table("alert_groups")
