"""How each project groups, and which issues were merged and split."""

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, String, Table

from resumatch_monitor.storage.sql.tables.base import METADATA, Json, Moment

# A project is pinned to the version with which it began. `previous_version` is the one from which
# it came, whose keys lead to their issues until `previous_until`.
PROJECT_GROUPINGS = Table(
    "project_groupings",
    METADATA,
    Column("project_id", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("previous_version", Integer),
    Column("previous_until", Moment),
    Column("rules", String, nullable=False),
    Column("updated_at", Moment),
    Column("updated_by", String),
)

PROJECT_GROUPING_CHANGES = Table(
    "project_grouping_changes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("project_id", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("actor", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("text", String, nullable=False),
)
Index("ix_project_grouping_changes_project_id", PROJECT_GROUPING_CHANGES.c.project_id, "id")

# Merges and splits. No foreign keys: a merge outlives the issues that it took in, so that it can
# be undone. `snapshot` has what they were, compressed; it is None once it is too old for that.
ISSUE_MERGES = Table(
    "issue_merges",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("project_id", Integer, nullable=False),
    Column("issue_id", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("at", Moment, nullable=False),
    Column("actor", String, nullable=False),
    Column("undone_at", Moment),
    Column("undone_by", String),
    Column("last_event_id", Integer, nullable=False),
    Column("summary", Json, nullable=False),
    Column("snapshot", LargeBinary),
)
Index("ix_issue_merges_issue_id", ISSUE_MERGES.c.issue_id, "id")
Index("ix_issue_merges_at", ISSUE_MERGES.c.at)

ISSUE_MERGE_MEMBERS = Table(
    "issue_merge_members",
    METADATA,
    Column("merge_id", Integer, primary_key=True),
    Column("issue_id", Integer, primary_key=True),
    Column("is_undone", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_issue_merge_members_issue_id", ISSUE_MERGE_MEMBERS.c.issue_id)
