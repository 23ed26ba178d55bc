"""Alerts, what people were told of them, and the outbox."""

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
)

from resumatch_monitor.storage.sql.tables.base import METADATA, Json, Moment

ALERTS = Table(
    "alerts",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("fingerprint", String, nullable=False),
    Column("starts_at", Moment, nullable=False),
    Column("ends_at", Moment),
    Column("source_starts_at", Moment, nullable=False),
    Column("received_at", Moment, nullable=False),
    # Its end, or its start while it holds: what lists are sorted by.
    Column("changed_at", Moment, nullable=False),
    Column("notified_at", Moment),
    Column("name", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("source", String, nullable=False),
    Column("labels", Json, nullable=False),
    Column("annotations", Json, nullable=False),
    Column("generator_path", String, nullable=False),
    Column("value", Float),
    Column("is_event", Boolean, nullable=False),
    # The newest occurrence of its alert.
    Column("is_latest", Boolean, nullable=False),
    # A person ended it: its source's reports of the same stretch are not heard until then.
    Column("closed_until", Moment),
    # Nothing will be said about it any more.
    Column("is_settled", Boolean, nullable=False),
    UniqueConstraint("fingerprint", "starts_at"),
)
Index("ix_alerts_changed_at_id", ALERTS.c.changed_at, ALERTS.c.id)
Index("ix_alerts_is_settled", ALERTS.c.is_settled)
Index("ix_alerts_starts_at", ALERTS.c.starts_at)
Index("ix_alerts_ends_at", ALERTS.c.ends_at)

ALERT_GROUPS = Table(
    "alert_groups",
    METADATA,
    Column("receiver", String, primary_key=True),
    Column("group_key", String, primary_key=True),
    Column("anchor_at", Moment, nullable=False),
    Column("notified_at", Moment, nullable=False),
    Column("thread_id", String, nullable=False),
)

TOLD_ALERTS = Table(
    "told_alerts",
    METADATA,
    Column("receiver", String, primary_key=True),
    Column("group_key", String, primary_key=True),
    Column("member_key", String, primary_key=True),
    Column("told_at", Moment, nullable=False),
)
Index("ix_told_alerts_member_key", TOLD_ALERTS.c.member_key)

NOTIFICATIONS = Table(
    "notifications",
    METADATA,
    Column("id", String, primary_key=True),
    Column("receiver", String, nullable=False),
    Column("group_key", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("title", String, nullable=False),
    Column("payload", Json, nullable=False),
    Column("created_at", Moment, nullable=False),
    # Everything that it says, a later one about the same alerts says as well.
    Column("is_replaceable", Boolean, nullable=False),
)
Index("ix_notifications_created_at", NOTIFICATIONS.c.created_at)

NOTIFICATION_ALERTS = Table(
    "notification_alerts",
    METADATA,
    Column(
        "notification_id",
        String,
        ForeignKey("notifications.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("position", Integer, primary_key=True),
    Column("fingerprint", String, nullable=False),
    Column("name", String, nullable=False),
    Column("status", String, nullable=False),
)
Index("ix_notification_alerts_fingerprint", NOTIFICATION_ALERTS.c.fingerprint)

DELIVERIES = Table(
    "deliveries",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column(
        "notification_id",
        String,
        ForeignKey("notifications.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("receiver", String, nullable=False),
    Column("integration", String, nullable=False),
    Column("integration_index", Integer, nullable=False),
    Column("group_key", String, nullable=False),
    Column("destination", String, nullable=False),
    Column("idempotency_key", String, nullable=False),
    Column("status", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("queued_at", Moment, nullable=False),
    Column("next_attempt_at", Moment),
    Column("sent_at", Moment),
    Column("last_error", String, nullable=False),
    Column("detail", String, nullable=False),
    Column("remaining", Json, nullable=False),
    # The delivery that failed, and in whose place this one goes to the fallback.
    Column("origin_id", Integer),
)
Index(
    "ix_deliveries_origin_id",
    DELIVERIES.c.origin_id,
    sqlite_where=DELIVERIES.c.origin_id.is_not(None),
)
Index("ix_deliveries_notification_id", DELIVERIES.c.notification_id)
Index("ix_deliveries_status", DELIVERIES.c.status)
Index(
    "ix_deliveries_waiting",
    DELIVERIES.c.receiver,
    DELIVERIES.c.integration,
    DELIVERIES.c.integration_index,
    DELIVERIES.c.group_key,
    sqlite_where=DELIVERIES.c.status.in_(["queued", "retrying"]),
)
