"""The door: who sends, what is in the envelope, and into which spool each item goes.

Envelopes are read only as far as needed to answer truthfully; the work is the digests'.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.kit.spool import SpoolFullError, SpoolWriter
from resumatch_monitor.sentry.config import ProjectConfig
from resumatch_monitor.sentry.envelope import Envelope, EnvelopeError, Item, parse_envelope
from resumatch_monitor.sentry.items import ItemKind, ItemRecord, encode_record
from resumatch_monitor.sentry.limits import SESSIONS_MAX, ItemLimits
from resumatch_monitor.sentry.metrics import DoorMetrics
from resumatch_monitor.sentry.projects import Projects, is_key_of, parse_dsn
from resumatch_monitor.sentry.reading import EnvelopeReader, find_kind
from resumatch_monitor.sentry.refusals import (
    IntakeError,
    MalformedError,
    UnknownProjectError,
    WrongKeyError,
)
from resumatch_monitor.sentry.values import as_dict, as_int, as_list

_IN_ORDER = {ItemKind.EVENT: 0, ItemKind.TRANSACTION: 1}
"""What is read first: everything else in an envelope may belong to it."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is on the disk: the id to answer with, None if the envelope has none."""

    event_id: str | None


class Intake:
    """Takes envelopes and single events of the projects that there are."""

    def __init__(
        self,
        *,
        projects: Projects,
        sinks: Mapping[ItemKind, SpoolWriter],
        limits: ItemLimits,
        metrics: DoorMetrics,
        clock: Clock,
        ids: Ids,
    ) -> None:
        """Build the door.

        Args:
            projects: Who may send.
            sinks: Where items of each kind go; of others it is only counted that they came.
            limits: How large items may be.
            metrics: What became of them.
            clock: When they came.
            ids: For items that have no id of their own.
        """
        self._projects = projects
        self._sinks = sinks
        self._limits = limits
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
        self,
        project: ProjectConfig,
        body: bytes,
        *,
        is_authenticated: bool,
        client_address: str = "",
    ) -> Receipt:
        """Spool the items of an envelope.

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
        return await self._take_items(project, envelope, client_address)

    async def take_event(
        self, project: ProjectConfig, body: bytes, *, client_address: str = ""
    ) -> Receipt:
        """Spool a single event, as the old `/store/` endpoint takes it.

        Raises:
            IntakeError: If it is not an event or too large.
            SpoolFullError: If there is no room.
        """
        item = Item("event", {}, body)
        return await self._take_items(project, Envelope({}, (item,)), client_address)

    def _check_envelope_dsn(self, project: ProjectConfig, envelope: Envelope) -> None:
        parsed = parse_dsn(envelope.headers.get("dsn"))
        if parsed is not None and parsed[1] != str(project.id):
            raise WrongKeyError("The envelope's DSN is for another project than the path.")
        self.check_key(project, parsed[0] if parsed else None)

    async def _take_items(
        self, project: ProjectConfig, envelope: Envelope, client_address: str
    ) -> Receipt:
        reader = EnvelopeReader(
            envelope,
            project_id=project.id,
            received_at=self._clock.now(),
            client_address=client_address,
            limits=self._limits,
            ids=self._ids,
        )
        records: list[ItemRecord] = []
        refusal: IntakeError | None = None
        seen: Counter[ItemKind] = Counter()
        for kind, item in self._sort(envelope.items):
            seen[kind] += 1
            if kind is ItemKind.SESSION and seen[kind] > SESSIONS_MAX:
                self._metrics.count_item(item.type, "too_many")
                continue
            try:
                record = self._read(reader, kind, item)
            except IntakeError as error:
                refusal = error
                self._metrics.count_item(item.type, error.reason)
                continue
            if record is not None:
                records.append(record)
        if refusal is not None and not records:
            raise refusal
        await self._spool_all(records)
        return Receipt(reader.event_id)

    def _sort(self, items: Iterable[Item]) -> list[tuple[ItemKind, Item]]:
        """Return what has a kind, in the order in which to read it; count what has none."""
        known: list[tuple[ItemKind, Item]] = []
        for item in items:
            kind = find_kind(item)
            if kind is None:
                self._count_other(item)
            else:
                known.append((kind, item))
        return sorted(known, key=lambda each: _IN_ORDER.get(each[0], len(_IN_ORDER)))

    def _read(self, reader: EnvelopeReader, kind: ItemKind, item: Item) -> ItemRecord | None:
        if kind is ItemKind.EVENT:
            record = reader.read_event(item)
        elif kind not in self._sinks:
            record = None
        elif kind is ItemKind.TRANSACTION:
            record = reader.read_transaction(item)
        else:
            record = reader.read_other(kind, item)
        if record is None or record.kind not in self._sinks:
            self._metrics.count_item(record.kind if record else item.type, "not_stored")
            return None
        return record

    async def _spool_all(self, records: list[ItemRecord]) -> None:
        appends = [self._sinks[record.kind].append(encode_record(record)) for record in records]
        outcomes = await asyncio.gather(*appends, return_exceptions=True)
        for record, outcome in zip(records, outcomes, strict=True):
            self._metrics.count_item(record.kind, "refused" if outcome else "accepted")
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
