"""The door: who sends, what is in the envelope, and what of it goes into the spool.

Envelopes are read only as far as needed to answer truthfully; the work is the digest's.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson

from resumatch_monitor.errortracking.config import ErrorsConfig
from resumatch_monitor.errortracking.metrics import ErrorMetrics
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.kit.spool import SpoolFullError, SpoolWriter
from resumatch_monitor.sentry.config import ProjectConfig
from resumatch_monitor.sentry.envelope import Envelope, EnvelopeError, Item, parse_envelope
from resumatch_monitor.sentry.items import ItemKind, ItemRecord, encode_record
from resumatch_monitor.sentry.lenient import parse_json
from resumatch_monitor.sentry.projects import Projects, is_key_of, parse_dsn
from resumatch_monitor.sentry.timestamps import parse_timestamp
from resumatch_monitor.sentry.values import as_dict, as_int, as_list, as_text, is_dict

_EVENT_TYPES = frozenset({"", "error", "default", "csp", "event"})


class IntakeError(Exception):
    """The request is refused; `reason` is its label in the metrics."""

    reason = "malformed"


class MalformedError(IntakeError):
    """What was sent cannot be read."""


class UnknownProjectError(IntakeError):
    """There is no such project."""

    reason = "unknown_project"


class WrongKeyError(IntakeError):
    """The key is missing or belongs to another project."""

    reason = "wrong_key"


class EventTooLargeError(IntakeError):
    """An event is larger than events may be."""

    reason = "too_large"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is on the disk: the id to answer with, None if the envelope has none."""

    event_id: str | None


class Intake:
    """Takes envelopes and single events of the projects that are configured."""

    def __init__(
        self,
        *,
        projects: Projects,
        spool: SpoolWriter,
        config: ErrorsConfig,
        metrics: ErrorMetrics,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._projects = projects
        self._spool = spool
        self._config = config
        self._metrics = metrics
        self._clock = clock
        self._ids = ids

    def find_project(self, number: str) -> ProjectConfig:
        """Return the project that a path names.

        Raises:
            UnknownProjectError: If there is none.
        """
        project = self._projects.find(number)
        if project is None:
            raise UnknownProjectError(f"There is no project {number[:20]!r}; check the DSN.")
        return project

    def check_key(self, project: ProjectConfig, key: str | None) -> None:
        """Let nobody in without the project's key.

        Raises:
            WrongKeyError: If `key` is not the project's.
        """
        if key is None:
            raise WrongKeyError(
                "The DSN's key is missing: send it as X-Sentry-Auth, as the query parameter"
                " sentry_key, or as dsn in the envelope's header."
            )
        if not is_key_of(project, key):
            raise WrongKeyError(f"The DSN's key is not a key of project {project.id}.")

    async def take_envelope(
        self, project: ProjectConfig, body: bytes, *, is_authenticated: bool
    ) -> Receipt:
        """Spool the events of an envelope.

        Of an envelope that is cut off, the items that are whole are taken.

        Raises:
            IntakeError: If nothing of it could be taken, or the key in its header is wrong.
            SpoolFullError: If there is no room.
        """
        try:
            envelope = parse_envelope(body)
        except EnvelopeError as error:
            raise MalformedError(f"This is not an envelope: {error}.") from error
        if not is_authenticated:
            self._check_envelope_dsn(project, envelope)
        if envelope.problem is not None:
            if not envelope.items:
                raise MalformedError(f"The envelope is not whole: {envelope.problem}.")
            self._metrics.rejected.labels("errors", "cut_off").inc()
        return await self._take_items(project, envelope)

    async def take_event(self, project: ProjectConfig, body: bytes) -> Receipt:
        """Spool a single event, as the old `/store/` endpoint takes it.

        Raises:
            IntakeError: If it is not an event or too large.
            SpoolFullError: If there is no room.
        """
        item = Item("event", {}, body)
        return await self._take_items(project, Envelope({}, (item,)))

    def _check_envelope_dsn(self, project: ProjectConfig, envelope: Envelope) -> None:
        parsed = parse_dsn(envelope.headers.get("dsn"))
        if parsed is not None and parsed[1] != str(project.id):
            raise WrongKeyError("The envelope's DSN is for another project than the path.")
        self.check_key(project, parsed[0] if parsed else None)

    async def _take_items(self, project: ProjectConfig, envelope: Envelope) -> Receipt:
        header_id = parse_event_id(envelope.headers.get("event_id"))
        records: list[ItemRecord] = []
        refusal: IntakeError | None = None
        for item in envelope.items:
            if item.type != "event":
                self._count_other(item)
                continue
            try:
                # The header's id belongs to the envelope's one event, not to a second one.
                record = self._read_event(project, envelope, item, None if records else header_id)
            except IntakeError as error:
                refusal = error
                self._metrics.count_item("event", error.reason)
                continue
            if record is not None:
                records.append(record)
        if refusal is not None and not records:
            raise refusal
        await self._spool_all(records)
        return Receipt(records[0].event_id if records else header_id)

    def _read_event(
        self, project: ProjectConfig, envelope: Envelope, item: Item, header_id: str | None
    ) -> ItemRecord | None:
        limit = self._config.event_max_bytes
        if len(item.payload) > limit:
            raise EventTooLargeError(
                f"The event has {len(item.payload)} bytes; at most {limit} are accepted."
            )
        event, payload = _parse_event(item.payload)
        kind = as_text(event.get("type"))
        if kind not in _EVENT_TYPES:
            self._metrics.count_item(kind, "not_stored")
            return None
        event_id = header_id or parse_event_id(event.get("event_id")) or self._ids.uuid()
        return ItemRecord(
            kind=ItemKind.EVENT,
            project_id=project.id,
            item_id=event_id,
            event_id=event_id,
            received_at=self._clock.now(),
            sent_at=parse_timestamp(envelope.headers.get("sent_at")),
            payload=payload,
        )

    async def _spool_all(self, records: list[ItemRecord]) -> None:
        appends = [self._spool.append(encode_record(record)) for record in records]
        outcomes = await asyncio.gather(*appends, return_exceptions=True)
        for outcome in outcomes:
            self._metrics.count_item("event", "refused" if outcome else "accepted")
        failures = [outcome for outcome in outcomes if outcome is not None]
        if failures:
            if isinstance(failures[0], SpoolFullError):
                self._metrics.rejected.labels("errors", failures[0].reason).inc()
            raise failures[0]

    def _count_other(self, item: Item) -> None:
        self._metrics.count_item(item.type, "not_stored")
        if item.type == "client_report":
            try:
                report = as_dict(orjson.loads(item.payload))
            except orjson.JSONDecodeError:
                return
            for entry in as_list(report.get("discarded_events"))[:100]:
                quantity = as_int(as_dict(entry).get("quantity")) or 0
                self._metrics.sdk_discarded.inc(max(0, min(quantity, 1_000_000)))


def parse_event_id(value: object) -> str | None:
    """Return an event id as 32 lower-case hexadecimal digits; it may come with dashes."""
    if not isinstance(value, str):
        return None
    text = value.replace("-", "").lower()
    if len(text) != 32 or not all(character in "0123456789abcdef" for character in text):
        return None
    return text


def _parse_event(payload: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        event, payload = parse_json(payload)
    except orjson.JSONDecodeError as error:
        raise MalformedError(f"The event is not JSON: {error}.") from error
    if not is_dict(event) or not event:
        raise MalformedError("The event is not a JSON object with anything in it.")
    return as_dict(event), payload
