"""Silences, handling of alerts, digests, drills, and rules that are made in the UI."""

import sqlalchemy as sa
from alembic import op

from resumatch_monitor.storage.sql.tables import base

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Made anew, so that the table is written as a fresh one is.
    with op.batch_alter_table("alerts", recreate="always") as batch_op:
        batch_op.add_column(sa.Column("closed_until", base.Moment(), nullable=True))
    with op.batch_alter_table("deliveries", recreate="always") as batch_op:
        batch_op.add_column(sa.Column("origin_id", sa.Integer(), nullable=True))
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index(
            "ix_deliveries_origin_id",
            ["origin_id"],
            unique=False,
            sqlite_where=sa.text("origin_id IS NOT NULL"),
        )

    op.create_table(
        "alert_digests",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("ends_at", base.Moment(), nullable=False),
        sa.Column("starts_at", base.Moment(), nullable=False),
        sa.Column("created_at", base.Moment(), nullable=False),
        sa.Column("notification_id", sa.String(), nullable=False),
        sa.Column("summary", base.Json(), nullable=False),
        sa.PrimaryKeyConstraint("name", "ends_at", name=op.f("pk_alert_digests")),
    )
    op.create_table(
        "alert_drills",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("alert", sa.String(), nullable=False),
        sa.Column("started_at", base.Moment(), nullable=False),
        sa.Column("finished_at", base.Moment(), nullable=True),
        sa.Column("started_by", sa.String(), nullable=False),
        sa.Column("is_passed", sa.Boolean(), nullable=True),
        sa.Column("report", base.Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_drills")),
    )
    with op.batch_alter_table("alert_drills", schema=None) as batch_op:
        batch_op.create_index("ix_alert_drills_alert", ["alert"], unique=False)
        batch_op.create_index("ix_alert_drills_started_at", ["started_at"], unique=False)

    op.create_table(
        "alert_expiries",
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("expires_at", base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_alert_expiries")),
    )
    with op.batch_alter_table("alert_expiries", schema=None) as batch_op:
        batch_op.create_index("ix_alert_expiries_expires_at", ["expires_at"], unique=False)

    op.create_table(
        "alert_handling",
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("starts_at", base.Moment(), nullable=False),
        sa.Column("acknowledged_at", base.Moment(), nullable=True),
        sa.Column("acknowledged_by", sa.String(), nullable=False),
        sa.Column("snoozed_until", base.Moment(), nullable=True),
        sa.Column("assignee", sa.String(), nullable=False),
        sa.Column("resolved_at", base.Moment(), nullable=True),
        sa.Column("resolved_by", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("changed_at", base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "starts_at", name=op.f("pk_alert_handling")),
    )
    with op.batch_alter_table("alert_handling", schema=None) as batch_op:
        batch_op.create_index("ix_alert_handling_changed_at", ["changed_at"], unique=False)

    op.create_table(
        "alert_journal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("starts_at", base.Moment(), nullable=False),
        sa.Column("at", base.Moment(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("via", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_journal")),
    )
    with op.batch_alter_table("alert_journal", schema=None) as batch_op:
        batch_op.create_index("ix_alert_journal_at", ["at"], unique=False)
        batch_op.create_index(
            "ix_alert_journal_fingerprint_id", ["fingerprint", "id"], unique=False
        )

    op.create_table(
        "alert_silences",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("matchers", base.Json(), nullable=False),
        sa.Column("starts_at", base.Moment(), nullable=False),
        sa.Column("ends_at", base.Moment(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("comment", sa.String(), nullable=False),
        sa.Column("created_at", base.Moment(), nullable=False),
        sa.Column("updated_at", base.Moment(), nullable=False),
        sa.Column("warned_at", base.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_silences")),
    )
    with op.batch_alter_table("alert_silences", schema=None) as batch_op:
        batch_op.create_index("ix_alert_silences_ends_at", ["ends_at"], unique=False)

    op.create_table(
        "managed_rule_versions",
        sa.Column("rule_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("rule_group", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("body", base.Json(), nullable=True),
        sa.Column("updated_at", base.Moment(), nullable=False),
        sa.Column("updated_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("rule_id", "version", name=op.f("pk_managed_rule_versions")),
    )
    op.create_table(
        "managed_rules",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("rule_group", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("body", base.Json(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", base.Moment(), nullable=False),
        sa.Column("updated_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_managed_rules")),
    )
    with op.batch_alter_table("managed_rules", schema=None) as batch_op:
        batch_op.create_index(
            "ix_managed_rules_rule_group_position", ["rule_group", "position"], unique=False
        )

    op.create_table(
        "heard_events",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("at", base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_heard_events")),
    )
    with op.batch_alter_table("heard_events", schema=None) as batch_op:
        batch_op.create_index("ix_heard_events_at", ["at"], unique=False)

    op.create_table(
        "pagerduty_incidents",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("dedup_key", sa.String(), nullable=False),
        sa.Column("seen_at", base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pagerduty_incidents")),
    )
    with op.batch_alter_table("pagerduty_incidents", schema=None) as batch_op:
        batch_op.create_index("ix_pagerduty_incidents_seen_at", ["seen_at"], unique=False)

    op.create_table(
        "missed_incidents",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("starts_at", base.Moment(), nullable=False),
        sa.Column("ends_at", base.Moment(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("created_at", base.Moment(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_missed_incidents")),
    )
    with op.batch_alter_table("missed_incidents", schema=None) as batch_op:
        batch_op.create_index("ix_missed_incidents_starts_at_id", ["starts_at", "id"], unique=False)

    op.create_table(
        "told_releases",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("told_at", base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "version", name=op.f("pk_told_releases")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "delivery_steps",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("delivery_id", sa.Integer(), nullable=False),
        sa.Column("at", base.Moment(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["deliveries.id"],
            name=op.f("fk_delivery_steps_delivery_id_deliveries"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_steps")),
    )
    with op.batch_alter_table("delivery_steps", schema=None) as batch_op:
        batch_op.create_index("ix_delivery_steps_delivery_id", ["delivery_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("alerts", recreate="always") as batch_op:
        batch_op.drop_column("closed_until")
    with op.batch_alter_table("delivery_steps", schema=None) as batch_op:
        batch_op.drop_index("ix_delivery_steps_delivery_id")

    op.drop_table("delivery_steps")
    op.drop_table("told_releases")
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.drop_index("ix_deliveries_origin_id")
    with op.batch_alter_table("deliveries", recreate="always") as batch_op:
        batch_op.drop_column("origin_id")
    with op.batch_alter_table("missed_incidents", schema=None) as batch_op:
        batch_op.drop_index("ix_missed_incidents_starts_at_id")

    op.drop_table("missed_incidents")
    with op.batch_alter_table("pagerduty_incidents", schema=None) as batch_op:
        batch_op.drop_index("ix_pagerduty_incidents_seen_at")

    op.drop_table("pagerduty_incidents")
    with op.batch_alter_table("heard_events", schema=None) as batch_op:
        batch_op.drop_index("ix_heard_events_at")

    op.drop_table("heard_events")
    with op.batch_alter_table("managed_rules", schema=None) as batch_op:
        batch_op.drop_index("ix_managed_rules_rule_group_position")

    op.drop_table("managed_rules")
    op.drop_table("managed_rule_versions")
    with op.batch_alter_table("alert_silences", schema=None) as batch_op:
        batch_op.drop_index("ix_alert_silences_ends_at")

    op.drop_table("alert_silences")
    with op.batch_alter_table("alert_journal", schema=None) as batch_op:
        batch_op.drop_index("ix_alert_journal_fingerprint_id")
        batch_op.drop_index("ix_alert_journal_at")

    op.drop_table("alert_journal")
    with op.batch_alter_table("alert_handling", schema=None) as batch_op:
        batch_op.drop_index("ix_alert_handling_changed_at")

    op.drop_table("alert_handling")
    with op.batch_alter_table("alert_expiries", schema=None) as batch_op:
        batch_op.drop_index("ix_alert_expiries_expires_at")

    op.drop_table("alert_expiries")
    with op.batch_alter_table("alert_drills", schema=None) as batch_op:
        batch_op.drop_index("ix_alert_drills_started_at")
        batch_op.drop_index("ix_alert_drills_alert")

    op.drop_table("alert_drills")
    op.drop_table("alert_digests")
