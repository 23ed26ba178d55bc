"""The door: who sends, what is in the envelope, and into which spool each item goes.

Envelopes are read only as far as needed to answer truthfully; the work is the digests'.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import orjson

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.kit.spool import FullReason, SpoolFullError, SpoolWriter
from resumatch_monitor.sentry.addresses import present_address
from resumatch_monitor.sentry.categories import Category, find_category
from resumatch_monitor.sentry.check_ins import render_check_in
from resumatch_monitor.sentry.envelope import Envelope, EnvelopeError, Item, parse_envelope
from resumatch_monitor.sentry.files import is_dump
from resumatch_monitor.sentry.glance import EventGlance
from resumatch_monitor.sentry.items import ItemKind
from resumatch_monitor.sentry.limits import SESSIONS_MAX, ItemLimits
from resumatch_monitor.sentry.measurements import MeasurementSink
from resumatch_monitor.sentry.metrics import DoorMetrics
from resumatch_monitor.sentry.other_items import OtherItems
from resumatch_monitor.sentry.outcomes import Outcome
from resumatch_monitor.sentry.projects import Project, ProjectKey, Projects, parse_dsn
from resumatch_monitor.sentry.quotas import Limit
from resumatch_monitor.sentry.reading import EnvelopeReader, ReadItem, find_kind
from resumatch_monitor.sentry.refusals import (
    DisabledKeyError,
    IntakeError,
    MalformedError,
    UnknownProjectError,
    WrongKeyError,
)
from resumatch_monitor.sentry.screening import Screening, Sender
from resumatch_monitor.sentry.security import read_reports
from resumatch_monitor.sentry.sinks import ItemSinks

_ADDRESSES_REMEMBERED = 1_024
_IN_ORDER = {ItemKind.EVENT: 0, ItemKind.TRANSACTION: 1}
"""What is read first: everything else in an envelope may belong to it."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a request.

    Attributes:
        event_id: To answer with; None if the envelope has none.
        limits: What the project may not send for a while.
    """

    event_id: str | None
    limits: tuple[Limit, ...] = ()


class Intake:
    """Takes envelopes and single events of the projects that there are."""

    def __init__(
        self,
        *,
        projects: Projects,
        sinks: Mapping[ItemKind, SpoolWriter],
        limits: ItemLimits,
        screening: Screening,
        metrics: DoorMetrics,
        clock: Clock,
        ids: Ids,
        measurements: MeasurementSink | None = None,
    ) -> None:
        """Build the door.

        Args:
            projects: Who may send.
            sinks: Where items of each kind go; of others it is only counted that they came.
            limits: How large items may be.
            screening: What of it is kept.
            metrics: What became of it.
            clock: When it came.
            ids: For items that have no id of their own.
            measurements: Where metrics go, if they are stored.
        """
        self._projects = projects
        self._sinks = ItemSinks(sinks, screening=screening, metrics=metrics)
        self._limits = limits
        self._glance = EventGlance()
        self._screening = screening
        self._metrics = metrics
        self._clock = clock
        self._ids = ids
        self._others = OtherItems(
            screening=screening,
            metrics=metrics,
            clock=clock,
            limits=limits,
            measurements=measurements,
        )
        # Most senders are servers, which send again and again.
        self._present_address = lru_cache(_ADDRESSES_REMEMBERED)(present_address)

    def find_project(self, number: str) -> Project:
        """Return the project that a path names.

        Raises:
            UnknownProjectError: If there is none.
            SpoolFullError: If it is not known yet whether there is.
        """
        project = self._projects.find(number)
        if project is None and not self._projects.is_complete:
            raise SpoolFullError(FullReason.MEMORY, "the monitor is starting")
        if project is None:
            raise UnknownProjectError(f"There is no project {number[:20]!r}; check the DSN.")
        return project

    def check_key(self, project: Project, public: str | None) -> ProjectKey:
        """Let nobody in without a key of the project's.

        Raises:
            WrongKeyError: If `public` is none of the project's.
            DisabledKeyError: If it was disabled.
        """
        if public is None:
            raise WrongKeyError(
                "The DSN's key is missing: send it as X-Sentry-Auth, as the query parameter"
                " sentry_key, or as dsn in the envelope's header."
            )
        key = project.find_key(public)
        if key is None:
            raise WrongKeyError(f"The DSN's key is not a key of project {project.id}.")
        if not key.is_enabled:
            raise DisabledKeyError(f"The DSN's key of project {project.id} is disabled.")
        return key

    async def take_envelope(self, sender: Sender, body: bytes) -> Receipt:
        """Spool the items of an envelope.

        Of an envelope that is cut off, the items that are whole are taken.

        Args:
            sender: Without a key, the envelope's own header has to name it.
            body: Unpacked.

        Raises:
            IntakeError: If nothing of it could be taken, or the key in its header is wrong.
            SpoolFullError: If there is no room.
        """
        envelope = self._parse(sender, body)
        sender = self._check_envelope_dsn(sender, envelope)
        if envelope.problem is not None:
            self._metrics.rejected.labels("errors", "cut_off").inc()
        return await self._take_items(sender, envelope)

    async def take_tunnelled(
        self, body: bytes, *, address: str = "", user_agent: str = ""
    ) -> Receipt:
        """Spool the items of an envelope whose header alone says which project's it is.

        Args:
            body: Unpacked.
            address: Where it came from.
            user_agent: Of the request.

        Raises:
            IntakeError: As for `take_envelope`; also if there is no such project.
            SpoolFullError: If there is no room.
        """
        try:
            envelope = parse_envelope(body)
        except EnvelopeError as error:
            raise MalformedError(f"This is not an envelope: {error}.") from error
        parsed = parse_dsn(envelope.headers.get("dsn"))
        if parsed is None:
            raise WrongKeyError("The envelope's header has no DSN.")
        project = self.find_project(parsed[1])
        sender = Sender(project=project, address=address, user_agent=user_agent)
        return await self.take_envelope(sender, body)

    async def take_event(self, sender: Sender, body: bytes) -> Receipt:
        """Spool a single event, as the old `/store/` endpoint takes it.

        Raises:
            IntakeError: If it is not an event or too large.
            SpoolFullError: If there is no room.
        """
        return await self._take_items(sender, Envelope({}, (Item("event", {}, body),)))

    async def take_reports(
        self, sender: Sender, body: bytes, *, release: str = "", environment: str = ""
    ) -> Receipt:
        """Spool the security reports of a browser, as events.

        Raises:
            IntakeError: If there are none.
            SpoolFullError: If there is no room.
        """
        try:
            events = list(
                read_reports(
                    body,
                    release=release,
                    environment=environment,
                    user_agent=sender.user_agent,
                )
            )
        except MalformedError:
            self._refuse_item(sender, Category.SECURITY, "malformed")
            raise
        items = [Item("event", {}, orjson.dumps(event)) for event in events]
        return await self._take_items(sender, Envelope({}, tuple(items)))

    async def take_check_in(
        self, sender: Sender, slug: str, parameters: Mapping[str, str], body: bytes
    ) -> Receipt:
        """Spool a check-in that is sent without an SDK, as Sentry's `cron` endpoint takes it.

        Args:
            sender: Who.
            slug: Of the monitor.
            parameters: `status`, and possibly `check_in_id`, `duration` and `environment`.
            body: JSON of the same and `monitor_config`; may be empty.

        Raises:
            IntakeError: If the body is no JSON object, or there is no status.
            SpoolFullError: If there is no room.
        """
        try:
            payload = render_check_in(slug, parameters, body)
        except MalformedError:
            self._refuse_item(sender, Category.MONITOR, "malformed")
            raise
        return await self._take_items(sender, Envelope({}, (Item("check_in", {}, payload),)))

    def refuse(self, project: Project, reason: str) -> None:
        """Count a request of `project` of which nothing was taken before its items were known."""
        self._screening.outcomes.count(project.id, Category.DEFAULT, Outcome.INVALID, reason)

    def _refuse_item(self, sender: Sender, category: Category, reason: str) -> None:
        self._screening.outcomes.count(sender.project.id, category, Outcome.INVALID, reason)

    def _parse(self, sender: Sender, body: bytes) -> Envelope:
        try:
            envelope = parse_envelope(body)
        except EnvelopeError as error:
            self.refuse(sender.project, "malformed")
            raise MalformedError(f"This is not an envelope: {error}.") from error
        if envelope.problem is not None and not envelope.items:
            self.refuse(sender.project, "malformed")
            raise MalformedError(f"The envelope is not whole: {envelope.problem}.")
        return envelope

    def _check_envelope_dsn(self, sender: Sender, envelope: Envelope) -> Sender:
        project = sender.project
        parsed = parse_dsn(envelope.headers.get("dsn"))
        if parsed is not None:
            if parsed[1] != str(project.id):
                raise WrongKeyError("The envelope's DSN is for another project than the path.")
            key = self.check_key(project, parsed[0])
            return sender if sender.key is not None else replace(sender, key=key)
        if sender.key is None:
            self.check_key(project, None)
        return sender

    async def _take_items(self, sender: Sender, envelope: Envelope) -> Receipt:
        reader = EnvelopeReader(
            envelope,
            project_id=sender.project.id,
            received_at=self._clock.now(),
            client_address=self._present_address(
                sender.address, sender.project.settings.scrubbing.addresses
            ),
            limits=self._limits,
            ids=self._ids,
            glance=self._glance,
            user_agent=sender.user_agent,
        )
        screening = self._screening.begin(sender)
        taken: list[ReadItem] = []
        others: list[Item] = []
        refusal: IntakeError | None = None
        for kind, item in self._sort(sender, envelope.items, others):
            try:
                read = self._read(sender, reader, kind, item)
            except IntakeError as error:
                refusal = error
                screening.refuse(kind, item.type, error.reason)
                continue
            kept = None if read is None else screening.admit(read)
            if kept is not None:
                taken.append(kept)
        if refusal is not None and not taken and not others:
            raise refusal
        await self._sinks.append_all(sender, taken)
        for item in others:
            await self._others.take(sender, item)
        limits = self._screening.quotas.describe(sender.project, sender.key)
        return Receipt(reader.event_id, tuple(limits))

    def _sort(
        self, sender: Sender, items: Iterable[Item], others: list[Item]
    ) -> list[tuple[ItemKind, Item]]:
        """Return what goes into a spool, in the order in which to read it; gather the others."""
        known: list[tuple[ItemKind, Item]] = []
        seen: Counter[ItemKind] = Counter()
        for item in items:
            kind = find_kind(item)
            if kind is None:
                others.append(item)
                continue
            seen[kind] += 1
            if kind is ItemKind.SESSION and seen[kind] > SESSIONS_MAX:
                self._screening.count(
                    sender, item.type, Category.SESSION, Outcome.INVALID, "too_many"
                )
            else:
                known.append((kind, item))
        return sorted(known, key=lambda each: _IN_ORDER.get(each[0], len(_IN_ORDER)))

    def _is_wanted(self, sender: Sender, kind: ItemKind, item: Item) -> bool:
        if kind is not ItemKind.ATTACHMENT:
            return True
        is_kept = sender.project.settings.store_attachments
        return is_kept and not is_dump(item.headers.get("attachment_type"))

    def _read(
        self, sender: Sender, reader: EnvelopeReader, kind: ItemKind, item: Item
    ) -> ReadItem | None:
        if kind is ItemKind.EVENT:
            read = reader.read_event(item)
        elif kind not in self._sinks.kinds or not self._is_wanted(sender, kind, item):
            read = None
        elif kind is ItemKind.TRANSACTION:
            read = reader.read_transaction(item)
        else:
            read = reader.read_other(kind, item)
        if read is None or read.record.kind not in self._sinks.kinds:
            self._metrics.count_item(read.record.kind if read else item.type, "not_stored")
            category = find_category(read.record.kind if read else kind)
            self._screening.outcomes.count(
                sender.project.id, category, Outcome.FILTERED, "not-kept"
            )
            return None
        return read
