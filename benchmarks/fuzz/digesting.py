"""The door and the digests without their files: what an envelope becomes, in one call."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from resumatch_monitor.crons.reading import CheckInError, read_check_in
from resumatch_monitor.errortracking.feedback import FeedbackError, read_feedback
from resumatch_monitor.errortracking.grouping.project import ProjectGrouping
from resumatch_monitor.errortracking.issues import StoredEvent
from resumatch_monitor.errortracking.prepare import prepare
from resumatch_monitor.errortracking.present import present_event
from resumatch_monitor.errortracking.user_agents import UserAgents
from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.releases.sessions import SessionError, read_sessions
from resumatch_monitor.sentry.config import ProjectConfig
from resumatch_monitor.sentry.files import clean_name
from resumatch_monitor.sentry.intake import Intake
from resumatch_monitor.sentry.items import (
    ItemKind,
    ItemRecord,
    RecordError,
    decode_record,
    encode_record,
)
from resumatch_monitor.sentry.limits import ItemLimits
from resumatch_monitor.sentry.metrics import DoorMetrics
from resumatch_monitor.sentry.outcomes import OutcomeLedger
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.sentry.quotas import Quotas
from resumatch_monitor.sentry.refusals import IntakeError
from resumatch_monitor.sentry.screening import Screening, Sender
from resumatch_monitor.sentry.scrubbers import Scrubbers
from resumatch_monitor.sentry.values import as_text
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outcomes import SqlOutcomeStore
from resumatch_monitor.storage.traces.codec import decode_spans, encode_spans
from resumatch_monitor.storage.traces.rows import build_rows
from resumatch_monitor.tracing.config import SpanLimits
from resumatch_monitor.tracing.reading import SpanReader
from resumatch_monitor.tracing.tree import build_tree

_KEY = "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e"
_RETENTION = timedelta(days=90)


class _Names:
    """Knows project 1, `web`."""

    def slug(self, number: int) -> str:
        return "web" if number == 1 else f"project-{number}"

    def number(self, slug: str) -> int | None:
        return 1 if slug == "web" else None


class Digester:
    """Takes requests as the door does, and makes of each item what its digest makes of it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        clock, telemetry = SystemClock(), Telemetry()
        self._loop = loop
        self._taken: list[bytes] = []
        self._projects = Projects([ProjectConfig(id=1, slug="web", key=_KEY)])
        self._scrubbers = Scrubbers(self._projects)
        self._agents = UserAgents()
        metrics = DoorMetrics(telemetry)
        # Nothing is written: what the ledger counts stays in memory.
        outcomes = OutcomeLedger(SqlOutcomeStore(Database(Path("never-opened"))), clock=clock)
        self.intake = Intake(
            projects=self._projects,
            sinks=dict.fromkeys(ItemKind, self),
            limits=ItemLimits(),
            screening=Screening(quotas=Quotas(clock=clock), outcomes=outcomes, metrics=metrics),
            metrics=metrics,
            clock=clock,
            ids=RandomIds(),
        )
        project = self._projects.get(1)
        assert project is not None
        self.sender = Sender(
            project=project, key=project.find_key(_KEY), address="192.0.2.7", user_agent="fuzz"
        )
        self._spans = SpanReader(
            scrubber=self._scrubbers.of(1),
            projects=_Names(),
            limits=SpanLimits(),
            retention=_RETENTION,
        )

    async def append(self, payload: bytes) -> None:
        """Keep what the door spools."""
        self._taken.append(payload)

    def take_envelope(self, body: bytes) -> None:
        """Take an envelope and digest what is taken of it."""
        self._take(self.intake.take_envelope(self.sender, body))

    def take_item(self, header: bytes, payload: bytes) -> None:
        """Take an envelope of one item."""
        body = b'{}\n{"type":"%b","length":%d}\n%b\n' % (header, len(payload), payload)
        self.take_envelope(body)

    def take_reports(self, body: bytes) -> None:
        """Take the security reports of a browser."""
        self._take(self.intake.take_reports(self.sender, body))

    def take_check_in(self, parameters: dict[str, str], body: bytes) -> None:
        """Take a check-in that came without an SDK."""
        self._take(self.intake.take_check_in(self.sender, "nightly", parameters, body))

    def _take(self, taking: Coroutine[Any, Any, object]) -> None:
        """Let the door take something, and digest what it has taken."""
        with contextlib.suppress(IntakeError):
            self._loop.run_until_complete(taking)
        taken, self._taken = self._taken, []
        for data in taken:
            record = decode_record(data)
            assert decode_record(encode_record(record)) == record
            self.digest(record)

    def digest(self, record: ItemRecord) -> None:
        """Make of a record what its digest makes of it."""
        if record.kind is ItemKind.EVENT:
            self._digest_event(record)
        elif record.kind in (ItemKind.TRANSACTION, ItemKind.SPAN):
            self.digest_spans(record)
        elif record.kind in (ItemKind.SESSION, ItemKind.SESSIONS):
            _try(lambda: read_sessions(record), SessionError)
        elif record.kind is ItemKind.CHECK_IN:
            _try(lambda: read_check_in(record), CheckInError)
        elif record.kind in (ItemKind.FEEDBACK, ItemKind.USER_REPORT):
            _try(lambda: read_feedback(record, self._scrubbers.of(1)), FeedbackError)
        elif record.kind is ItemKind.ATTACHMENT:
            clean_name(as_text(record.headers.get("filename")))

    def _digest_event(self, record: ItemRecord) -> None:
        event = prepare(
            record,
            scrubber=self._scrubbers.of(1),
            projects=self._projects,
            retention=_RETENTION,
            grouping=ProjectGrouping(),
            agents=self._agents,
        )
        stored = orjson.loads(event.payload)
        shown = StoredEvent(
            project_id=1,
            event_id=event.event_id,
            occurred_at=event.occurred_at,
            received_at=event.received_at,
            raw=stored["event"],
            scrubbed=stored["scrubbed"],
            previous_event_id=None,
            next_event_id=None,
        )
        orjson.dumps(present_event(shown, lambda _: {}))

    def digest_spans(self, record: ItemRecord) -> None:
        """Read the spans of a record, store them as bytes, and order them as the page does."""
        try:
            item = self._spans.read(record)
        except (RecordError, orjson.JSONDecodeError):
            return
        if not item.spans:
            return
        trace_id = item.spans[0].trace_id
        mine = [each for each in item.spans if each.trace_id == trace_id]
        assert len(decode_spans(encode_spans(mine), trace_id)) == len(mine)
        build_rows(mine)
        build_tree(mine)


def _try(read: Callable[[], object], refusal: type[Exception]) -> None:
    with contextlib.suppress(refusal):
        read()
