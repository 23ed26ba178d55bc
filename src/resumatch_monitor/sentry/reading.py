"""From the items of an envelope to the records that go into the spools."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.sentry.categories import Category, find_category
from resumatch_monitor.sentry.envelope import Envelope, Item
from resumatch_monitor.sentry.glance import EventGlance
from resumatch_monitor.sentry.items import ItemKind, ItemRecord
from resumatch_monitor.sentry.limits import ItemLimits
from resumatch_monitor.sentry.refusals import ItemTooLargeError, MalformedError
from resumatch_monitor.sentry.timestamps import parse_timestamp
from resumatch_monitor.sentry.user_agents import USER_AGENT_HEADER, find_senders_browser
from resumatch_monitor.sentry.values import as_dict, as_text, is_dict

_TRACE_HEADER_MAX_BYTES = 4 * 1024
_HEADERS_MAX = 50

_REPORTS = frozenset({"csp", "hpkp", "expectct", "expectstaple"})
# What an item of type `event` may turn out to be by the type in its payload.
_KIND_OF_EVENT: Mapping[str, ItemKind] = {
    **dict.fromkeys(("", "error", "default", "csp", "hpkp", "expectct", "expectstaple", "event"),
                    ItemKind.EVENT),
    "transaction": ItemKind.TRANSACTION,
    "feedback": ItemKind.FEEDBACK,
}  # fmt: skip
_KIND_OF_TYPE: Mapping[str, ItemKind] = {
    **{kind.value: kind for kind in ItemKind},
    "otel_span": ItemKind.SPAN,
    "replay_video": ItemKind.REPLAY_RECORDING,
}


@dataclass(frozen=True, slots=True)
class ReadItem:
    """An item that can be taken.

    Attributes:
        record: For the spool.
        category: What it counts as.
        event: What an event or a transaction says; empty of everything else.
    """

    record: ItemRecord
    category: Category
    event: dict[str, Any]


def find_kind(item: Item) -> ItemKind | None:
    """Return the kind that an item's header states, None if nobody knows it."""
    return _KIND_OF_TYPE.get(item.type)


class EnvelopeReader:
    """Makes records of the items of one envelope."""

    def __init__(
        self,
        envelope: Envelope,
        *,
        project_id: int,
        received_at: datetime,
        client_address: str,
        limits: ItemLimits,
        ids: Ids,
        glance: EventGlance | None = None,
        user_agent: str = "",
    ) -> None:
        self._envelope = envelope
        self._glance = glance or EventGlance()
        self._project_id = project_id
        self._received_at = received_at
        self._client_address = client_address
        self._user_agent = user_agent
        self._limits = limits
        self._ids = ids
        self._sent_at = parse_timestamp(envelope.headers.get("sent_at"))
        self._trace = _read_trace(envelope.headers.get("trace"))
        # The header's id belongs to the envelope's one event, not to a second one.
        self._header_id = parse_event_id(envelope.headers.get("event_id"))
        self.event_id = self._header_id
        """What everything else in the envelope belongs to; None if nothing says so."""

    def read_event(self, item: Item) -> ReadItem | None:
        """Return the record of an item of type `event`; None if it is none that anybody knows.

        Raises:
            MalformedError: If it is not JSON.
            ItemTooLargeError: If it is larger than events may be.
        """
        self._check_size(ItemKind.EVENT, item.payload)
        event, payload = self._parse_event(item.payload)
        kind = _KIND_OF_EVENT.get(as_text(event.get("type")))
        if kind is None:
            return None
        return self._make_event_record(kind, item, event, payload)

    def read_transaction(self, item: Item) -> ReadItem:
        """Return the record of an item of type `transaction`.

        Raises:
            MalformedError: If it is not JSON.
            ItemTooLargeError: If it is larger than transactions may be.
        """
        self._check_size(ItemKind.TRANSACTION, item.payload)
        event, payload = self._parse_event(item.payload)
        return self._make_event_record(ItemKind.TRANSACTION, item, event, payload)

    def read_other(self, kind: ItemKind, item: Item) -> ReadItem:
        """Return the record of an item that the door does not look into.

        Raises:
            ItemTooLargeError: If it is larger than items of its kind may be.
        """
        self._check_size(kind, item.payload)
        record = self._make_record(
            kind, item, item.payload, item_id=self._ids.uuid(), event_id=self.event_id or ""
        )
        return ReadItem(record, find_category(kind), {})

    def _make_event_record(
        self, kind: ItemKind, item: Item, event: dict[str, Any], payload: bytes
    ) -> ReadItem:
        event_id = self._header_id or parse_event_id(event.get("event_id")) or self._ids.uuid()
        self._header_id = None
        self.event_id = self.event_id or event_id
        # Two projects may be sent the same id, and each has to count what it was sent.
        item_id = event_id if kind is ItemKind.EVENT else self._name_item(kind, event_id)
        record = self._make_record(kind, item, payload, item_id=item_id, event_id=event_id)
        if kind is ItemKind.EVENT:
            browser = find_senders_browser(event, self._user_agent)
            if browser:
                record.headers[USER_AGENT_HEADER] = browser
        is_report = as_text(event.get("type")) in _REPORTS
        return ReadItem(record, find_category(kind, is_report=is_report), event)

    def _name_item(self, kind: ItemKind, event_id: str) -> str:
        """Return an id that is the same however often this item is sent to this project."""
        named = f"{self._project_id} {kind} {event_id}".encode()
        return hashlib.blake2b(named, digest_size=16).hexdigest()

    def _make_record(
        self, kind: ItemKind, item: Item, payload: bytes, *, item_id: str, event_id: str
    ) -> ItemRecord:
        return ItemRecord(
            kind=kind,
            project_id=self._project_id,
            item_id=item_id,
            event_id=event_id,
            received_at=self._received_at,
            sent_at=self._sent_at,
            client_address=self._client_address,
            headers={**_keep_plain(item.headers), "trace": self._trace}
            if self._trace
            else _keep_plain(item.headers),
            payload=payload,
        )

    def _parse_event(self, payload: bytes) -> tuple[dict[str, Any], bytes]:
        try:
            event, payload = self._glance.read(payload)
        except orjson.JSONDecodeError as error:
            raise MalformedError(f"The event is not JSON: {error}.") from error
        if not is_dict(event) or not event:
            raise MalformedError("The event is not a JSON object with anything in it.")
        return as_dict(event), payload

    def _check_size(self, kind: ItemKind, payload: bytes) -> None:
        limit = self._limits.of(kind)
        if len(payload) > limit:
            raise ItemTooLargeError(
                f"The {kind} has {len(payload)} bytes; at most {limit} are accepted."
            )


def parse_event_id(value: object) -> str | None:
    """Return an event id as 32 lower-case hexadecimal digits; it may come with dashes."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    text = value.replace("-", "").lower()
    if len(text) != 32 or not all(character in "0123456789abcdef" for character in text):
        return None
    return text


def _read_trace(value: object) -> dict[str, Any]:
    trace = _keep_plain(as_dict(value))
    return trace if trace and len(orjson.dumps(trace)) <= _TRACE_HEADER_MAX_BYTES else {}


def _keep_plain(headers: dict[str, Any]) -> dict[str, Any]:
    """Return the headers that are texts and numbers; no SDK sends others that matter."""
    return {
        name: value
        for name, value in list(headers.items())[:_HEADERS_MAX]
        if isinstance(value, str | int | float)
    }
