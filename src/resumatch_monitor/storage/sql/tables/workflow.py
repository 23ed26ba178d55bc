"""What people decided about issues lately, and what rules over issues count and have told."""

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table

from resumatch_monitor.storage.sql.tables.base import METADATA, Json, Moment

# How issues stood before a decision, so that it can be undone.
ISSUE_DECISIONS = Table(
    "issue_decisions",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("actor", String, nullable=False),
    Column("before", Json, nullable=False),
)
Index("ix_issue_decisions_at", ISSUE_DECISIONS.c.at)

# Events that a rule counts, by when they came; of all issues of a project where `issue_id` is 0.
ISSUE_RULE_COUNTS = Table(
    "issue_rule_counts",
    METADATA,
    Column("rule", String, primary_key=True),
    Column("project_id", Integer, primary_key=True),
    Column("issue_id", Integer, primary_key=True),
    Column("bucket", Moment, primary_key=True),
    Column("event_count", Integer, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_issue_rule_counts_issue_id", ISSUE_RULE_COUNTS.c.issue_id)
Index("ix_issue_rule_counts_bucket", ISSUE_RULE_COUNTS.c.rule, ISSUE_RULE_COUNTS.c.bucket)

# When each user that a rule counts was last met.
ISSUE_RULE_USERS = Table(
    "issue_rule_users",
    METADATA,
    Column("rule", String, primary_key=True),
    Column("project_id", Integer, primary_key=True),
    Column("issue_id", Integer, primary_key=True),
    Column("user_hash", LargeBinary(8), primary_key=True),
    Column("seen_at", Moment, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_issue_rule_users_issue_id", ISSUE_RULE_USERS.c.issue_id)
Index("ix_issue_rule_users_seen_at", ISSUE_RULE_USERS.c.rule, ISSUE_RULE_USERS.c.seen_at)

# Alerts about issues that last, until they are over and their pause is, too.
ISSUE_OPEN_ALERTS = Table(
    "issue_open_alerts",
    METADATA,
    Column("rule", String, primary_key=True),
    Column("project_id", Integer, primary_key=True),
    Column("issue_id", Integer, primary_key=True),
    Column("kind", String, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("end_told_at", Moment),
    Column("labels", Json),
    Column("annotations", Json),
    sqlite_with_rowid=False,
)
Index("ix_issue_open_alerts_issue_id", ISSUE_OPEN_ALERTS.c.issue_id)

# Many issues that began at the same time, told of as one.
ISSUE_STORMS = Table(
    "issue_storms",
    METADATA,
    Column("project_id", Integer, primary_key=True),
    Column("severity", String, primary_key=True),
    Column("state", Json, nullable=False),
    sqlite_with_rowid=False,
)
