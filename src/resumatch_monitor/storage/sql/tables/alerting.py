"""What people and policies do about alerts: silences, acknowledgements, digests, drills."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table

from resumatch_monitor.storage.sql.tables.base import METADATA, Json, Moment

ALERT_SILENCES = Table(
    "alert_silences",
    METADATA,
    Column("id", String, primary_key=True),
    # A list of [name, operator, value].
    Column("matchers", Json, nullable=False),
    Column("starts_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("created_by", String, nullable=False),
    Column("comment", String, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    # When people were told that it ends soon.
    Column("warned_at", Moment),
    # Who ended it before its time.
    Column("ended_by", String),
)
Index("ix_alert_silences_ends_at", ALERT_SILENCES.c.ends_at)

# When an alert that was pushed by others ends unless it is pushed again.
ALERT_EXPIRIES = Table(
    "alert_expiries",
    METADATA,
    Column("fingerprint", String, primary_key=True),
    Column("expires_at", Moment, nullable=False),
)
Index("ix_alert_expiries_expires_at", ALERT_EXPIRIES.c.expires_at)

# What people made of one occurrence of an alert; absent as long as nobody did anything.
ALERT_HANDLING = Table(
    "alert_handling",
    METADATA,
    Column("fingerprint", String, primary_key=True),
    Column("starts_at", Moment, primary_key=True),
    Column("acknowledged_at", Moment),
    Column("acknowledged_by", String, nullable=False),
    Column("snoozed_until", Moment),
    Column("assignee", String, nullable=False),
    Column("resolved_at", Moment),
    Column("resolved_by", String, nullable=False),
    Column("resolved_until", Moment),
    # real, noise, missed, or empty.
    Column("outcome", String, nullable=False),
    Column("changed_at", Moment, nullable=False),
)
Index("ix_alert_handling_changed_at", ALERT_HANDLING.c.changed_at)

# What happened to an occurrence, step by step; only ever added to.
ALERT_JOURNAL = Table(
    "alert_journal",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("fingerprint", String, nullable=False),
    Column("starts_at", Moment, nullable=False),
    Column("at", Moment, nullable=False),
    Column("actor", String, nullable=False),
    # ui, api, link, pagerduty, monitor.
    Column("via", String, nullable=False),
    Column("action", String, nullable=False),
    Column("text", String, nullable=False),
)
Index("ix_alert_journal_fingerprint_id", ALERT_JOURNAL.c.fingerprint, ALERT_JOURNAL.c.id)
Index("ix_alert_journal_at", ALERT_JOURNAL.c.at)

# Events of other systems that were heard, lest they be heard twice.
HEARD_EVENTS = Table(
    "heard_events",
    METADATA,
    Column("id", String, primary_key=True),
    Column("at", Moment, nullable=False),
)
Index("ix_heard_events_at", HEARD_EVENTS.c.at)

# PagerDuty's incidents, whose events do not all name the group that they are about.
PAGERDUTY_INCIDENTS = Table(
    "pagerduty_incidents",
    METADATA,
    Column("id", String, primary_key=True),
    Column("dedup_key", String, nullable=False),
    Column("seen_at", Moment, nullable=False),
)
Index("ix_pagerduty_incidents_seen_at", PAGERDUTY_INCIDENTS.c.seen_at)

# What no rule caught, in the words of a person.
MISSED_INCIDENTS = Table(
    "missed_incidents",
    METADATA,
    Column("id", String, primary_key=True),
    Column("title", String, nullable=False),
    # The name of the alert that should have fired; empty if there is none.
    Column("name", String, nullable=False),
    Column("starts_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("text", String, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("created_by", String, nullable=False),
)
Index("ix_missed_incidents_starts_at_id", MISSED_INCIDENTS.c.starts_at, MISSED_INCIDENTS.c.id)

# Each step of a delivery's way: queued, attempted, accepted, failed, fell back, acknowledged.
DELIVERY_STEPS = Table(
    "delivery_steps",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column(
        "delivery_id",
        Integer,
        ForeignKey("deliveries.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("at", Moment, nullable=False),
    Column("step", String, nullable=False),
    Column("detail", String, nullable=False),
)
Index("ix_delivery_steps_delivery_id", DELIVERY_STEPS.c.delivery_id)

# The periods for which a digest was made, with or without something to say.
ALERT_DIGESTS = Table(
    "alert_digests",
    METADATA,
    # The receiver and the schedule.
    Column("name", String, primary_key=True),
    Column("ends_at", Moment, primary_key=True),
    Column("starts_at", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
    # Empty if there was nothing to say.
    Column("notification_id", String, nullable=False),
    # What it counted, for comparison with the next one.
    Column("summary", Json, nullable=False),
)

ALERT_DRILLS = Table(
    "alert_drills",
    METADATA,
    Column("id", String, primary_key=True),
    Column("alert", String, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("finished_at", Moment),
    Column("started_by", String, nullable=False),
    Column("is_passed", Boolean),
    Column("report", Json, nullable=False),
)
Index("ix_alert_drills_started_at", ALERT_DRILLS.c.started_at)
Index("ix_alert_drills_alert", ALERT_DRILLS.c.alert)
