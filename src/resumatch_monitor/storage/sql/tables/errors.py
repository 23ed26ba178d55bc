"""Issues, their events, and what is counted about them."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    false,
)

from resumatch_monitor.storage.sql.tables.base import METADATA, Json, Moment


def _issue_id(*, primary_key: bool = False) -> Column[int]:
    return Column(
        "issue_id",
        Integer,
        ForeignKey("issues.id", ondelete="CASCADE"),
        nullable=False,
        primary_key=primary_key,
    )


# A project's counters; the projects themselves are configuration.
ERROR_PROJECTS = Table(
    "error_projects",
    METADATA,
    Column("project_id", Integer, primary_key=True, autoincrement=False),
    Column("slug", String, nullable=False),
    Column("last_number", Integer, nullable=False),
    Column("event_count", Integer, nullable=False),
    Column("last_event_at", Moment),
)

ISSUES = Table(
    "issues",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("project_id", Integer, ForeignKey("error_projects.project_id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("type", String, nullable=False),
    Column("value", String, nullable=False),
    Column("culprit", String, nullable=False),
    Column("level", String, nullable=False),
    Column("platform", String, nullable=False),
    Column("status", String, nullable=False),
    Column("is_regressed", Boolean, nullable=False),
    Column("is_handled", Boolean),
    Column("is_synthetic", Boolean, nullable=False),
    Column("regression_count", Integer, nullable=False),
    Column("event_count", Integer, nullable=False),
    Column("user_count", Integer, nullable=False),
    Column("stored_count", Integer, nullable=False),
    Column("first_seen_at", Moment, nullable=False),
    Column("last_seen_at", Moment, nullable=False),
    Column("first_release", String),
    Column("last_release", String),
    Column("resolved_at", Moment),
    Column("grouping_version", Integer, nullable=False),
    Column("explanation", String, nullable=False),
    Column("search_text", String, nullable=False),
    Column("resolution", String),
    Column("resolution_release", String),
    Column("resolution_commit", String),
    Column("archive", Json),
    Column("archived_until", Moment),
    Column("is_escalating", Boolean, nullable=False, server_default=false()),
    Column("assignee", String),
    Column("priority", String),
    Column("revision", Integer, nullable=False, server_default="0"),
    UniqueConstraint("project_id", "number"),
)
for _column in ("last_seen_at", "first_seen_at", "event_count", "user_count"):
    Index(f"ix_issues_by_{_column}", ISSUES.c.project_id, ISSUES.c.status, ISSUES.c[_column], "id")
Index("ix_issues_stored_count", ISSUES.c.stored_count)
Index(
    "ix_issues_archived_until",
    ISSUES.c.archived_until,
    sqlite_where=ISSUES.c.archived_until.is_not(None),
)
Index(
    "ix_issues_resolution_commit",
    ISSUES.c.resolution_commit,
    sqlite_where=ISSUES.c.resolution_commit.is_not(None),
)
Index("ix_issues_assignee", ISSUES.c.assignee, sqlite_where=ISSUES.c.assignee.is_not(None))
Index("ix_issues_project_stored", ISSUES.c.project_id, ISSUES.c.stored_count)

# The highest id that an issue has had: links to one that is deleted must not lead to another.
ISSUE_IDS = Table(
    "issue_ids",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last_id", Integer, nullable=False),
)

# Several keys may lead to one issue, after a merge or an upgrade of the grouping.
ISSUE_GROUPINGS = Table(
    "issue_groupings",
    METADATA,
    Column("project_id", Integer, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    _issue_id(),
    Column("event_count", Integer, nullable=False, server_default="0"),
    Column("last_seen_at", Moment),
    sqlite_with_rowid=False,
)
Index("ix_issue_groupings_issue_id", ISSUE_GROUPINGS.c.issue_id)

# The key that led an event to its issue, and its user's hash, are what a split goes by.
# `payload` is zstd of JSON; `dict_id` is the dictionary it needs, 0 for none. It is the last
# column, so that lists read no page of it.
ISSUE_EVENTS = Table(
    "issue_events",
    METADATA,
    Column("id", Integer, primary_key=True),
    _issue_id(),
    Column("project_id", Integer, nullable=False),
    Column("event_id", LargeBinary(16), nullable=False),
    Column("occurred_at", Moment, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("message", String, nullable=False),
    Column("release", String),
    Column("environment", String),
    Column("user_label", String),
    Column("is_synthetic", Boolean, nullable=False),
    Column("grouping_version", Integer),
    Column("grouping_key", LargeBinary),
    Column("user_hash", LargeBinary(8)),
    Column("kept_for", Integer, nullable=False, server_default="0"),
    Column("dict_id", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    UniqueConstraint("project_id", "event_id"),
)
# With all that decides which events are dropped.
Index(
    "ix_issue_events_occurred",
    ISSUE_EVENTS.c.issue_id,
    ISSUE_EVENTS.c.occurred_at,
    "id",
    ISSUE_EVENTS.c.kept_for,
)

# What `dict_id` names; never changed, newer ones only come beside it.
PAYLOAD_DICTIONARIES = Table(
    "payload_dictionaries",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("project_id", Integer, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("content", LargeBinary, nullable=False),
)
Index("ix_payload_dictionaries_project_id", PAYLOAD_DICTIONARIES.c.project_id, "id")

ISSUE_USERS = Table(
    "issue_users",
    METADATA,
    _issue_id(primary_key=True),
    Column("user_hash", LargeBinary(8), primary_key=True),
    sqlite_with_rowid=False,
)

ISSUE_HOURS = Table(
    "issue_hours",
    METADATA,
    _issue_id(primary_key=True),
    Column("hour", Moment, primary_key=True),
    Column("event_count", Integer, nullable=False),
    sqlite_with_rowid=False,
)

ISSUE_TAG_KEYS = Table(
    "issue_tag_keys",
    METADATA,
    _issue_id(primary_key=True),
    Column("key", String, primary_key=True),
    Column("event_count", Integer, nullable=False),
    sqlite_with_rowid=False,
)

ISSUE_TAGS = Table(
    "issue_tags",
    METADATA,
    _issue_id(primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", String, primary_key=True),
    Column("event_count", Integer, nullable=False),
    sqlite_with_rowid=False,
)

ISSUE_RELEASES = Table(
    "issue_releases",
    METADATA,
    _issue_id(primary_key=True),
    Column("version", String, primary_key=True),
    Column("first_seen_at", Moment, nullable=False),
    Column("event_count", Integer, nullable=False),
    sqlite_with_rowid=False,
)

ERROR_RELEASES = Table(
    "error_releases",
    METADATA,
    Column("project_id", Integer, primary_key=True),
    Column("version", String, primary_key=True),
    Column("first_seen_at", Moment, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_error_releases_first_seen_at", ERROR_RELEASES.c.first_seen_at)

# The releases of which people were told.
TOLD_RELEASES = Table(
    "told_releases",
    METADATA,
    Column("project_id", Integer, primary_key=True),
    Column("version", String, primary_key=True),
    Column("told_at", Moment, nullable=False),
    sqlite_with_rowid=False,
)

ISSUE_ACTIVITY = Table(
    "issue_activity",
    METADATA,
    Column("id", Integer, primary_key=True),
    _issue_id(),
    Column("at", Moment, nullable=False),
    Column("kind", String, nullable=False),
    Column("actor", String),
    Column("text", String, nullable=False),
    Column("edited_at", Moment),
)
Index("ix_issue_activity_issue_id", ISSUE_ACTIVITY.c.issue_id, "id")
Index("ix_issue_activity_at", ISSUE_ACTIVITY.c.at)

ISSUE_ALERTS = Table(
    "issue_alerts",
    METADATA,
    Column("id", Integer, primary_key=True),
    _issue_id(),
    Column("kind", String, nullable=False),
    Column("at", Moment, nullable=False),
    Column("occurrence", Integer, nullable=False),
    Column("environment", String, nullable=False),
    Column("rule", String),
    Column("severity", String),
    Column("release", String),
    Column("value", Integer),
    Column("remark", String),
    Column("is_lasting", Boolean, nullable=False, server_default=false()),
)
Index("ix_issue_alerts_issue_id", ISSUE_ALERTS.c.issue_id)

ERROR_DEAD_LETTERS = Table(
    "error_dead_letters",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("received_at", Moment, nullable=False),
    Column("reason", String, nullable=False),
    Column("record", LargeBinary, nullable=False),
)
