"""What an issue was before it was merged, so that the merge can be undone exactly."""

import base64
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson
import zstandard
from sqlalchemy import Connection, Table, select, text

from resumatch_monitor.sentry.values import as_dict
from resumatch_monitor.storage.sql.issues_tally import Tally
from resumatch_monitor.storage.sql.tables import METADATA
from resumatch_monitor.storage.sql.tables.errors import ISSUES

_MAX_BYTES = 512 * 1024 * 1024
_HASH_BYTES = 8
# What has rules of its own for being joined.
_COUNTED = frozenset(
    {"issue_events", "issue_groupings", "issue_users", "issue_hours", "issue_tag_keys"}
    | {"issue_tags", "issue_releases"}
)


@dataclass(slots=True)
class IssueSnapshot:
    """An issue as it was.

    Attributes:
        row: Of the table of issues, as the database has it.
        groupings: Version, key and count of events, by key.
        moved: The ids of what belonged to it, by table.
    """

    row: dict[str, Any]
    tally: Tally
    groupings: dict[tuple[int, bytes], int]
    moved: dict[str, list[int]] = field(default_factory=dict[str, list[int]])

    @property
    def issue_id(self) -> int:
        """The issue's number within the database."""
        return int(self.row["id"])


def belonging_tables() -> list[Table]:
    """Return the tables whose rows belong to an issue and have ids of their own."""
    return [table for table in _referring_tables() if [*table.primary_key.columns.keys()] == ["id"]]


def keyed_tables() -> list[Table]:
    """Return the tables whose rows belong to an issue and are known by it."""
    return [table for table in _referring_tables() if [*table.primary_key.columns.keys()] != ["id"]]


def _referring_tables() -> list[Table]:
    return [
        table
        for table in METADATA.sorted_tables
        if table.name not in _COUNTED
        and "issue_id" in table.c
        and any(key.column is ISSUES.c.id for key in table.c.issue_id.foreign_keys)
    ]


def take_snapshot(connection: Connection, issue_id: int) -> IssueSnapshot:
    """Read all that is counted of an issue."""
    tally = Tally()
    where = {"issue": issue_id}
    row = connection.execute(text("SELECT * FROM issues WHERE id = :issue"), where).mappings().one()
    tally.count = row["event_count"]
    for hour, count in _read(connection, "hour, event_count", "issue_hours", where):
        tally.hours[hour] = count
    for key, count in _read(connection, "key, event_count", "issue_tag_keys", where):
        tally.tag_keys[key] = count
    for key, value, count in _read(connection, "key, value, event_count", "issue_tags", where):
        tally.tags[key, value] = count
    columns = "version, first_seen_at, event_count"
    for version, first, count in _read(connection, columns, "issue_releases", where):
        tally.releases[version] = count
        tally.release_first_seen[version] = first
    tally.users = {user for (user,) in _read(connection, "user_hash", "issue_users", where)}
    groupings = {
        (version, key): count
        for version, key, count in _read(
            connection, "version, key, event_count", "issue_groupings", where
        )
    }
    return IssueSnapshot(dict(row), tally, groupings)


def _read(connection: Connection, columns: str, table: str, where: dict[str, Any]) -> Any:
    statement = f"SELECT {columns} FROM {table} WHERE issue_id = :issue"  # noqa: S608
    return connection.execute(text(statement), where)


def restore_row(connection: Connection, snapshot: IssueSnapshot) -> None:
    """Make the issue's row again; columns that have gone since are left out."""
    known = {name: value for name, value in snapshot.row.items() if name in ISSUES.c}
    names = ", ".join(f'"{name}"' for name in known)
    places = ", ".join(f":{name}" for name in known)
    connection.execute(text(f"INSERT INTO issues ({names}) VALUES ({places})"), known)  # noqa: S608


def move_belongings(connection: Connection, source: int, target: int) -> dict[str, list[int]]:
    """Give what belongs to an issue to another; return the ids of what moved, by table."""
    moved: dict[str, list[int]] = {}
    for table in belonging_tables():
        ids = list(connection.scalars(select(table.c.id).where(table.c.issue_id == source)))
        if ids:
            moved[str(table.name)] = ids
            connection.execute(
                table.update().where(table.c.issue_id == source).values(issue_id=target)
            )
    for table in keyed_tables():
        # What the other one has too, it keeps.
        statement = f"UPDATE OR IGNORE {table.name} SET issue_id = :target WHERE issue_id = :source"  # noqa: S608
        connection.execute(text(statement), {"target": target, "source": source})
    return moved


def return_belongings(connection: Connection, snapshot: IssueSnapshot, holder: int) -> None:
    """Give an issue back what was taken from it, as far as it is still there."""
    for table in belonging_tables():
        rows = [
            {"id": number, "target": snapshot.issue_id, "holder": holder}
            for number in snapshot.moved.get(table.name, [])
        ]
        if rows:
            statement = (
                f"UPDATE {table.name} SET issue_id = :target"  # noqa: S608
                " WHERE id = :id AND issue_id = :holder"
            )
            connection.execute(text(statement), rows)


def pack_snapshots(snapshots: list[IssueSnapshot]) -> bytes:
    """Render snapshots as they are stored."""
    content = [
        {
            "row": {name: _pack_value(value) for name, value in each.row.items()},
            "count": each.tally.count,
            "hours": list(each.tally.hours.items()),
            "tag_keys": list(each.tally.tag_keys.items()),
            "tags": [[*key, count] for key, count in each.tally.tags.items()],
            "releases": [
                [version, count, each.tally.release_first_seen[version]]
                for version, count in each.tally.releases.items()
            ],
            "users": base64.b64encode(b"".join(sorted(each.tally.users))).decode(),
            "groupings": [
                [version, key.hex(), count] for (version, key), count in each.groupings.items()
            ],
            "moved": each.moved,
        }
        for each in snapshots
    ]
    return zstandard.compress(orjson.dumps(content))


def unpack_snapshots(data: bytes) -> list[IssueSnapshot]:
    """Read what `pack_snapshots` wrote."""
    content = orjson.loads(
        zstandard.ZstdDecompressor().decompress(data, max_output_size=_MAX_BYTES)
    )
    return [_unpack(each) for each in content]


def _unpack(content: dict[str, Any]) -> IssueSnapshot:
    users = base64.b64decode(content["users"])
    tally = Tally(
        hours=Counter(dict(content["hours"])),
        tag_keys=Counter(dict(content["tag_keys"])),
        tags=Counter({(key, value): count for key, value, count in content["tags"]}),
        releases=Counter({version: count for version, count, _ in content["releases"]}),
        release_first_seen={version: first for version, _, first in content["releases"]},
        users={users[at : at + _HASH_BYTES] for at in range(0, len(users), _HASH_BYTES)},
        count=content["count"],
    )
    return IssueSnapshot(
        row={name: _unpack_value(value) for name, value in content["row"].items()},
        tally=tally,
        groupings={
            (version, bytes.fromhex(key)): count for version, key, count in content["groupings"]
        },
        moved=content["moved"],
    )


def _pack_value(value: Any) -> Any:
    return {"bytes": value.hex()} if isinstance(value, bytes) else value


def _unpack_value(value: Any) -> Any:
    digits = as_dict(value).get("bytes")
    return value if digits is None else bytes.fromhex(digits)
