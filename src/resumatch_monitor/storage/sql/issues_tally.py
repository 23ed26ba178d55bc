"""What some stored events add to an issue's counts, to be given to it or taken away."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from resumatch_monitor.errortracking.normalise import normalise
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.storage.sql.payloads import PayloadReader

_HOUR_MILLISECONDS = 3_600_000
_TAG_KEYS_MAX = 100
_TAG_VALUES_MAX = 100
_RELEASES_MAX = 500
_USER_PAGE = 400

_TAKE_HOURS = text(
    "UPDATE issue_hours SET event_count = event_count - :count"
    " WHERE issue_id = :issue AND hour = :hour"
)
_GIVE_HOURS = text(
    "INSERT INTO issue_hours (issue_id, hour, event_count) VALUES (:issue, :hour, :count)"
    " ON CONFLICT (issue_id, hour) DO UPDATE SET event_count = event_count + excluded.event_count"
)
_TAKE_TAG_KEYS = text(
    "UPDATE issue_tag_keys SET event_count = event_count - :count"
    " WHERE issue_id = :issue AND key = :key"
)
_GIVE_TAG_KEYS = text(
    "INSERT INTO issue_tag_keys (issue_id, key, event_count) VALUES (:issue, :key, :count)"
    " ON CONFLICT (issue_id, key) DO UPDATE SET event_count = event_count + excluded.event_count"
)
_TAKE_TAGS = text(
    "UPDATE issue_tags SET event_count = event_count - :count"
    " WHERE issue_id = :issue AND key = :key AND value = :value"
)
_GIVE_TAGS = text(
    "INSERT INTO issue_tags (issue_id, key, value, event_count)"
    " VALUES (:issue, :key, :value, :count) ON CONFLICT (issue_id, key, value)"
    " DO UPDATE SET event_count = event_count + excluded.event_count"
)
_TAKE_RELEASES = text(
    "UPDATE issue_releases SET event_count = event_count - :count"
    " WHERE issue_id = :issue AND version = :version"
)
_GIVE_RELEASES = text(
    "INSERT INTO issue_releases (issue_id, version, first_seen_at, event_count)"
    " VALUES (:issue, :version, :first, :count) ON CONFLICT (issue_id, version)"
    " DO UPDATE SET event_count = event_count + excluded.event_count,"
    " first_seen_at = min(first_seen_at, excluded.first_seen_at)"
)
_GIVE_USERS = text(
    "INSERT INTO issue_users (issue_id, user_hash) VALUES (:issue, :user)"
    " ON CONFLICT (issue_id, user_hash) DO NOTHING"
)
_TAKE_USERS = text("DELETE FROM issue_users WHERE issue_id = :issue AND user_hash = :user")
_SET_RELEASE = text(
    "UPDATE issue_releases SET first_seen_at = :first"
    " WHERE issue_id = :issue AND version = :version"
)
_DROP_EMPTY = tuple(
    text(f"DELETE FROM {table} WHERE issue_id = :issue AND event_count <= 0")  # noqa: S608
    for table in ("issue_hours", "issue_tag_keys", "issue_tags", "issue_releases")
)


@dataclass(slots=True)
class Tally:
    """Counts of some events; moments are milliseconds, as they are stored."""

    hours: Counter[int] = field(default_factory=Counter[int])
    tag_keys: Counter[str] = field(default_factory=Counter[str])
    tags: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    releases: Counter[str] = field(default_factory=Counter[str])
    release_first_seen: dict[str, int] = field(default_factory=dict[str, int])
    users: set[bytes] = field(default_factory=set[bytes])
    count: int = 0

    def add_event(self, row: Any, event: dict[str, Any]) -> None:
        """Count a stored event."""
        at = to_milliseconds(row.occurred_at)
        self.count += 1
        self.hours[at - at % _HOUR_MILLISECONDS] += 1
        for key, value in normalise(event).tags:
            self.tag_keys[key] += 1
            self.tags[key, value] += 1
        if row.release:
            self.releases[row.release] += 1
            self.note_release(row.release, at)
        if row.user_hash is not None and not row.is_synthetic:
            self.users.add(row.user_hash)

    def note_release(self, version: str, at: int) -> None:
        """Note when a release was seen."""
        self.release_first_seen[version] = min(at, self.release_first_seen.get(version, at))

    def bound(self) -> None:
        """Keep as much as an issue may have, the most frequent first."""
        kept_keys = dict(self.tag_keys.most_common(_TAG_KEYS_MAX))
        self.tag_keys = Counter(kept_keys)
        values: Counter[str] = Counter()
        kept: Counter[tuple[str, str]] = Counter()
        for (key, value), count in self.tags.most_common():
            if key in kept_keys and values[key] < _TAG_VALUES_MAX:
                values[key] += 1
                kept[key, value] = count
        self.tags = kept
        self.releases = Counter(dict(self.releases.most_common(_RELEASES_MAX)))


def tally_events(connection: Connection, rows: Iterable[Any], payloads: PayloadReader) -> Tally:
    """Count stored events, given as rows with their times, releases, users and payloads."""
    tally = Tally()
    for row in rows:
        content = payloads.unpack(connection, row.dict_id, row.payload)
        tally.add_event(row, content["event"])
    return tally


def give(connection: Connection, issue_id: int, tally: Tally) -> None:
    """Add counts to an issue's; its own row is left alone."""
    _run(connection, _GIVE_HOURS, _hours(issue_id, tally))
    _run(connection, _GIVE_TAG_KEYS, _tag_keys(issue_id, tally))
    _run(connection, _GIVE_TAGS, _tags(issue_id, tally))
    _run(connection, _GIVE_RELEASES, _releases(issue_id, tally))
    _run(connection, _GIVE_USERS, [{"issue": issue_id, "user": user} for user in tally.users])


def take(connection: Connection, issue_id: int, tally: Tally) -> None:
    """Take counts from an issue's, but not the users, who may have other events."""
    _run(connection, _TAKE_HOURS, _hours(issue_id, tally))
    _run(connection, _TAKE_TAG_KEYS, _tag_keys(issue_id, tally))
    _run(connection, _TAKE_TAGS, _tags(issue_id, tally))
    _run(connection, _TAKE_RELEASES, _releases(issue_id, tally))
    for statement in _DROP_EMPTY:
        connection.execute(statement, {"issue": issue_id})


def take_users(connection: Connection, issue_id: int, users: Iterable[bytes]) -> None:
    """Take users from an issue's."""
    _run(connection, _TAKE_USERS, [{"issue": issue_id, "user": user} for user in users])


def set_first_seen(connection: Connection, issue_id: int, releases: Mapping[str, int]) -> None:
    """Set when an issue was first seen in its releases."""
    _run(
        connection,
        _SET_RELEASE,
        [
            {"issue": issue_id, "version": version, "first": first}
            for version, first in releases.items()
        ],
    )


def _hours(issue_id: int, tally: Tally) -> list[dict[str, Any]]:
    return [
        {"issue": issue_id, "hour": hour, "count": count} for hour, count in tally.hours.items()
    ]


def _tag_keys(issue_id: int, tally: Tally) -> list[dict[str, Any]]:
    return [
        {"issue": issue_id, "key": key, "count": count} for key, count in tally.tag_keys.items()
    ]


def _tags(issue_id: int, tally: Tally) -> list[dict[str, Any]]:
    return [
        {"issue": issue_id, "key": key, "value": value, "count": count}
        for (key, value), count in tally.tags.items()
    ]


def _releases(issue_id: int, tally: Tally) -> list[dict[str, Any]]:
    return [
        {
            "issue": issue_id,
            "version": version,
            "count": count,
            "first": tally.release_first_seen.get(version, 0),
        }
        for version, count in tally.releases.items()
    ]


def _run(connection: Connection, statement: Any, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        connection.execute(statement, rows)
