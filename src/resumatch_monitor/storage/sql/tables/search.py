"""What issues are found by: full text and tags; and the searches that people keep."""

from sqlalchemy import DDL, Boolean, Column, Index, Integer, String, Table, event

from resumatch_monitor.storage.sql.tables.base import METADATA, Moment
from resumatch_monitor.storage.sql.tables.errors import (
    ISSUE_RELEASES,
    ISSUE_TAG_KEYS,
    ISSUE_TAGS,
    ISSUE_USERS,
    ISSUES,
)

Index("ix_issue_tags_value", ISSUE_TAGS.c.key, ISSUE_TAGS.c.value, ISSUE_TAGS.c.issue_id)
Index("ix_issue_tag_keys_key", ISSUE_TAG_KEYS.c.key, ISSUE_TAG_KEYS.c.issue_id)
Index("ix_issue_users_user_hash", ISSUE_USERS.c.user_hash, ISSUE_USERS.c.issue_id)
Index("ix_issue_releases_version", ISSUE_RELEASES.c.version, ISSUE_RELEASES.c.issue_id)

SAVED_SEARCHES = Table(
    "saved_searches",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("owner", String, nullable=False),
    Column("name", String, nullable=False),
    Column("query", String, nullable=False),
    Column("sort", String, nullable=False),
    Column("is_shared", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
)
Index("ix_saved_searches_owner", SAVED_SEARCHES.c.owner, "id")

SEARCH_TABLE = "issue_search"
# Three letters each, so that any part of a word is found. The text itself stays in `issues`, and
# triggers keep the two together whoever writes there: batches, merges, retention.
FULL_TEXT = (
    f"CREATE VIRTUAL TABLE {SEARCH_TABLE} USING fts5(search_text, content='issues',"
    " content_rowid='id', tokenize='trigram', columnsize=0)",
    "CREATE TRIGGER issue_search_of_new AFTER INSERT ON issues BEGIN"
    " INSERT INTO issue_search (rowid, search_text) VALUES (new.id, new.search_text); END",
    "CREATE TRIGGER issue_search_of_old AFTER DELETE ON issues BEGIN"
    " INSERT INTO issue_search (issue_search, rowid, search_text)"
    " VALUES ('delete', old.id, old.search_text); END",
    "CREATE TRIGGER issue_search_of_changed AFTER UPDATE OF search_text ON issues"
    " WHEN old.search_text != new.search_text BEGIN"
    " INSERT INTO issue_search (issue_search, rowid, search_text)"
    " VALUES ('delete', old.id, old.search_text);"
    " INSERT INTO issue_search (rowid, search_text) VALUES (new.id, new.search_text); END",
)
"""The statements that make the index of texts."""

for _statement in FULL_TEXT:
    event.listen(ISSUES, "after_create", DDL(_statement.replace("%", "%%")))
