"""How what an SDK sent lies in a spool between the door and whoever digests it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import orjson

from resumatch_monitor.kit.clock import from_milliseconds, to_milliseconds
from resumatch_monitor.sentry.values import as_dict, as_int, as_text

_VERSION = 2
# What versions before this one left in the spool: events without a kind.
_EVENTS_ONLY_VERSION = 1


class RecordError(Exception):
    """The record is not one that this version can read."""


class ItemKind(StrEnum):
    """What an item is, as an envelope's item header names it."""

    EVENT = "event"
    TRANSACTION = "transaction"
    SPAN = "span"
    SESSION = "session"
    SESSIONS = "sessions"
    CHECK_IN = "check_in"
    FEEDBACK = "feedback"
    USER_REPORT = "user_report"
    ATTACHMENT = "attachment"
    LOG = "log"
    PROFILE = "profile"
    PROFILE_CHUNK = "profile_chunk"
    REPLAY_EVENT = "replay_event"
    REPLAY_RECORDING = "replay_recording"


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """An item as it came, with what only the door knows.

    Attributes:
        item_id: 32 hexadecimal digits; made by the door, different for any two items, so that
            who counts can tell a record that is digested again from another one. An event's is
            its event id; that of another item with an id of its sender's is made of that one,
            its kind and its project.
        event_id: The envelope's event, 32 hexadecimal digits; empty if it names none.
        sent_at: The client's clock when it sent; None if it did not say.
        client_address: Where it came from, for `{{auto}}`; empty if the project keeps none.
        headers: The item's own header, under `trace` the envelope's trace header, and under
            `user_agent` the browser that sent an event which does not say so itself.
        payload: As it came, unread and not yet scrubbed.
    """

    kind: ItemKind
    project_id: int
    item_id: str
    received_at: datetime
    payload: bytes
    event_id: str = ""
    sent_at: datetime | None = None
    client_address: str = ""
    headers: dict[str, Any] = field(default_factory=dict[str, Any])


class ItemProcessor(Protocol):
    """Digests items of one kind or several."""

    async def process(self, records: Sequence[ItemRecord]) -> None:
        """Take `records` in, in order, durably.

        They may come again after a crash, with the same `item_id`, and must not count twice. A
        record that cannot be made sense of is left out and counted, and stops none of the others.

        Raises:
            StorageUnavailableError: If nothing was kept and trying again may help.
        """
        ...


def encode_record(record: ItemRecord) -> bytes:
    """Render a record for a spool."""
    sent_at = record.sent_at
    header = {
        "v": _VERSION,
        "kind": record.kind,
        "project": record.project_id,
        "item_id": record.item_id,
        "event_id": record.event_id,
        "received_ms": to_milliseconds(record.received_at),
        "sent_ms": None if sent_at is None else to_milliseconds(sent_at),
        "address": record.client_address,
        "headers": record.headers,
    }
    return orjson.dumps(header) + b"\n" + record.payload


def read_project_id(data: bytes) -> int:
    """Return the project that what `encode_record` wrote belongs to.

    Raises:
        RecordError: If it names none.
    """
    try:
        project_id = as_int(as_dict(orjson.loads(data[: max(0, data.find(b"\n"))])).get("project"))
    except orjson.JSONDecodeError as error:
        raise RecordError("the record has no header") from error
    if project_id is None:
        raise RecordError("the record names no project")
    return project_id


def decode_record(data: bytes) -> ItemRecord:
    """Read what `encode_record` wrote, in this version or an earlier one.

    Raises:
        RecordError: If it did not.
    """
    line, separator, payload = data.partition(b"\n")
    try:
        header = as_dict(orjson.loads(line))
    except orjson.JSONDecodeError as error:
        raise RecordError("the record has no header") from error
    version = header.get("v")
    project_id, received_ms = as_int(header.get("project")), as_int(header.get("received_ms"))
    if (
        not separator
        or version not in (_EVENTS_ONLY_VERSION, _VERSION)
        or project_id is None
        or received_ms is None
    ):
        raise RecordError("the record's header is not one that this version can read")
    event_id = as_text(header.get("event_id"))
    try:
        kind = ItemKind(as_text(header.get("kind")) or ItemKind.EVENT)
    except ValueError as error:
        raise RecordError("the record is of a kind that this version does not know") from error
    sent_ms = as_int(header.get("sent_ms"))
    return ItemRecord(
        kind=kind,
        project_id=project_id,
        item_id=as_text(header.get("item_id")) or event_id,
        received_at=from_milliseconds(received_ms),
        payload=payload,
        event_id=event_id,
        sent_at=None if sent_ms is None else from_milliseconds(sent_ms),
        client_address=as_text(header.get("address")),
        headers=as_dict(header.get("headers")),
    )
