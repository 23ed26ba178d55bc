"""The statements that count: each adds to a row, or makes it.

What an SDK names freely is bounded here: 100 tags an issue, 100 values a tag, 500 releases an
issue. What is there goes on counting, what would be one too many is left out.
"""

from sqlalchemy import text

UPSERT_HOUR = text(
    "INSERT INTO issue_hours (issue_id, hour, event_count) VALUES (:issue, :hour, :count)"
    " ON CONFLICT (issue_id, hour) DO UPDATE"
    " SET event_count = issue_hours.event_count + excluded.event_count"
)
UPSERT_TAG_KEY = text(
    "INSERT INTO issue_tag_keys (issue_id, key, event_count) SELECT :issue, :key, :count"
    " WHERE EXISTS (SELECT 1 FROM issue_tag_keys WHERE issue_id = :issue AND key = :key)"
    " OR (SELECT count(*) FROM issue_tag_keys WHERE issue_id = :issue) < 100"
    " ON CONFLICT (issue_id, key) DO UPDATE"
    " SET event_count = issue_tag_keys.event_count + excluded.event_count"
)
# Beyond the bound only the key's total counts on; what is there goes on counting.
UPSERT_TAG = text(
    "INSERT INTO issue_tags (issue_id, key, value, event_count)"
    " SELECT :issue, :key, :value, :count"
    " WHERE EXISTS (SELECT 1 FROM issue_tags"
    "   WHERE issue_id = :issue AND key = :key AND value = :value)"
    " OR (EXISTS (SELECT 1 FROM issue_tag_keys WHERE issue_id = :issue AND key = :key)"
    "   AND (SELECT count(*) FROM issue_tags"
    "    WHERE issue_id = :issue AND key = :key) < 100)"
    " ON CONFLICT (issue_id, key, value) DO UPDATE"
    " SET event_count = issue_tags.event_count + excluded.event_count"
)
UPSERT_ISSUE_RELEASE = text(
    "INSERT INTO issue_releases (issue_id, version, first_seen_at, event_count)"
    " SELECT :issue, :version, :first, :count"
    " WHERE EXISTS (SELECT 1 FROM issue_releases WHERE issue_id = :issue AND version = :version)"
    " OR (SELECT count(*) FROM issue_releases WHERE issue_id = :issue) < 500"
    " ON CONFLICT (issue_id, version) DO UPDATE"
    " SET event_count = issue_releases.event_count + excluded.event_count,"
    " first_seen_at = min(issue_releases.first_seen_at, excluded.first_seen_at)"
)
UPSERT_RELEASE = text(
    "INSERT INTO error_releases (project_id, version, first_seen_at)"
    " VALUES (:project, :version, :first)"
    " ON CONFLICT (project_id, version) DO UPDATE"
    " SET first_seen_at = min(error_releases.first_seen_at, excluded.first_seen_at)"
)
UPSERT_PROJECT = text(
    "INSERT INTO error_projects (project_id, slug, last_number, event_count, last_event_at)"
    " VALUES (:project, :slug, 0, :count, :last)"
    " ON CONFLICT (project_id) DO UPDATE SET slug = excluded.slug,"
    " event_count = error_projects.event_count + excluded.event_count,"
    " last_event_at = max(coalesce(error_projects.last_event_at, 0), excluded.last_event_at)"
)
NEXT_NUMBER = text(
    "UPDATE error_projects SET last_number = last_number + 1 WHERE project_id = :project"
    " RETURNING last_number"
)
INSERT_USER = text(
    "INSERT INTO issue_users (issue_id, user_hash) VALUES (:issue, :user)"
    " ON CONFLICT (issue_id, user_hash) DO NOTHING"
)

_EVENT_COLUMNS = (
    *("issue_id", "project_id", "event_id", "occurred_at", "received_at", "message", "release"),
    *("environment", "user_label", "is_synthetic", "grouping_version", "grouping_key"),
    *("user_hash", "kept_for", "dict_id", "payload"),
)
INSERT_EVENT = text(
    f"INSERT INTO issue_events ({', '.join(_EVENT_COLUMNS)})"  # noqa: S608 - our own names
    f" VALUES ({', '.join(f':{name}' for name in _EVENT_COLUMNS)})"
)
INSERT_TRACE_ERROR = text(
    "INSERT INTO trace_errors (trace_id, project_id, event_id, span_id, at)"
    " VALUES (:trace_id, :project_id, :event_id, :span_id, :at) ON CONFLICT DO NOTHING"
)

# A project goes on with the way of grouping with which it began.
PIN_GROUPING = text(
    "INSERT INTO project_groupings (project_id, version, rules) VALUES (:project, :version, '')"
    " ON CONFLICT (project_id) DO NOTHING"
)
INSERT_GROUPING = text(
    "INSERT INTO issue_groupings (project_id, version, key, issue_id, event_count)"
    " VALUES (:project, :version, :key, :issue, 0)"
)
COUNT_GROUPING = text(
    "UPDATE issue_groupings SET event_count = event_count + :count,"
    " last_seen_at = max(coalesce(last_seen_at, 0), :last)"
    " WHERE project_id = :project AND version = :version AND key = :key"
)
# What a merge took in may come back, and links, bookmarks and messages outlive what they lead to:
# no id is used again.
NEXT_ISSUE_ID = text(
    "INSERT INTO issue_ids (id, last_id) SELECT 1, coalesce(max(id), 0) + 1 FROM issues WHERE true"
    " ON CONFLICT (id) DO UPDATE SET last_id = max(last_id + 1, excluded.last_id)"
    " RETURNING last_id"
)
