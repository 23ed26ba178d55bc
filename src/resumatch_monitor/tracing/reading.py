"""From a record of the spool to spans that may be stored; pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from typing import Protocol

from resumatch_monitor.metrics.otlp.problems import MalformedOtlpError
from resumatch_monitor.sentry.items import ItemKind, ItemRecord, RecordError
from resumatch_monitor.sentry.lenient import parse_json
from resumatch_monitor.sentry.scrub import Scrubber
from resumatch_monitor.sentry.values import as_dict
from resumatch_monitor.tracing.cleaning import clean, drop_own_envelopes
from resumatch_monitor.tracing.config import SpanLimits
from resumatch_monitor.tracing.drafts import Draft, DraftItem
from resumatch_monitor.tracing.model import Span
from resumatch_monitor.tracing.span_items import read_span_item
from resumatch_monitor.tracing.times import correct_times
from resumatch_monitor.tracing.transactions import read_transaction

SAMPLE_RATE = "sentry.sample_rate"
"""The attribute of roots that says which part of their kind is sent."""
OTLP_HEADER = "otlp"
"""In a record's headers, where the payload is a protobuf of `/v1/traces`."""


class ProjectNames(Protocol):
    """Knows the projects by number and by slug."""

    def slug(self, number: int) -> str:
        """Return a project's slug; a made-up one if nobody knows it."""
        ...

    def number(self, slug: str) -> int | None:
        """Return the number of the project with `slug`, None if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class ReadItem:
    """What a record holds.

    Attributes:
        refused: How many spans are left out, by the reason.
        user: Whom the work was done for, as `id:…`; empty if nobody said.
    """

    spans: tuple[Span, ...]
    refused: dict[str, int] = field(default_factory=dict[str, int])
    user: str = ""


class SpanReader:
    """Reads, corrects, cleans and bounds the spans of records."""

    def __init__(
        self,
        *,
        scrubber: Scrubber,
        projects: ProjectNames,
        limits: SpanLimits,
        retention: timedelta,
        scrubber_of: Callable[[int], Scrubber] | None = None,
    ) -> None:
        """Take what reading goes by.

        Args:
            scrubber: Of spans of no project, and of all where there is no `scrubber_of`.
            projects: Finds projects by their slugs.
            limits: Bounds of spans.
            retention: How old spans may be.
            scrubber_of: Finds the scrubber of a project.
        """
        self._scrubber = scrubber
        self._scrubber_of = scrubber_of
        self._projects = projects
        self._limits = limits
        self._retention = retention

    def read(self, record: ItemRecord) -> ReadItem:
        """Return the spans of a record.

        Raises:
            RecordError: If it has none, for what it is.
            orjson.JSONDecodeError: If it cannot be read.
        """
        item = self._read_drafts(record)
        for draft in item.drafts:
            self._place(draft, record.project_id)
            _note_sampling(draft, record)
        drop_own_envelopes(item)
        correct_times(
            item.drafts,
            sent_at=record.sent_at,
            received_at=record.received_at,
            oldest=self._retention,
        )
        for number, drafts in groupby(item.drafts, key=lambda draft: draft.project_id):
            clean(list(drafts), self._find_scrubber(number))
        return ReadItem(tuple(map(_finish, item.drafts)), item.refused, item.user)

    def _find_scrubber(self, project_id: int) -> Scrubber:
        if self._scrubber_of is None or not project_id:
            return self._scrubber
        return self._scrubber_of(project_id)

    def _read_drafts(self, record: ItemRecord) -> DraftItem:
        if record.kind is ItemKind.TRANSACTION:
            return read_transaction(_parse(record.payload), self._limits)
        if record.kind is not ItemKind.SPAN:
            raise RecordError(f"there are no spans in a {record.kind}")
        # An envelope's item may have such a header too, but it has a project.
        if OTLP_HEADER in record.headers and not record.project_id:
            # Protobuf and the messages' classes are loaded when somebody sends them.
            from resumatch_monitor.tracing.otlp import (  # noqa: PLC0415
                parse_request,
                read_otlp,
            )

            try:
                return read_otlp(parse_request(record.payload, is_json=False), self._limits)
            except MalformedOtlpError as error:
                raise RecordError(str(error)) from error
        return read_span_item(_parse(record.payload), self._limits)

    def _place(self, draft: Draft, project_id: int) -> None:
        draft.project_id = project_id or self._projects.number(draft.service) or 0
        if not draft.service:
            is_known = bool(draft.project_id)
            draft.service = self._projects.slug(draft.project_id) if is_known else "unknown_service"


def _note_sampling(draft: Draft, record: ItemRecord) -> None:
    """Say on roots which part of their kind is sent, and make what tells a web vital a segment.

    Browsers tell most vitals when the page is left, long after its segment was whole.
    """
    if draft.op.startswith(("ui.webvital", "ui.interaction")) and any(
        name.startswith("browser.web_vital.") for name in draft.attributes
    ):
        draft.is_segment, draft.segment_id = True, draft.span_id
    if draft.is_segment:
        rate = as_dict(record.headers.get("trace")).get("sample_rate")
        if isinstance(rate, str | int | float):
            draft.attributes.setdefault(SAMPLE_RATE, str(rate)[:20])


def _parse(payload: bytes) -> dict[str, object]:
    value, _ = parse_json(payload)
    found = as_dict(value)
    if not found:
        raise RecordError("the item is empty or not an object")
    return found


def _finish(draft: Draft) -> Span:
    return Span(
        draft.trace_id,
        draft.span_id,
        # A span that is its own parent would be a loop of one.
        "" if draft.parent_span_id == draft.span_id else draft.parent_span_id,
        draft.project_id,
        draft.service,
        draft.environment,
        draft.release,
        draft.name,
        draft.op,
        draft.kind,
        draft.status,
        draft.status_text,
        draft.started_us,
        draft.ended_us - draft.started_us,
        draft.is_segment,
        draft.segment_id,
        draft.segment_name,
        draft.attributes,
        draft.links,
        tuple(draft.events),
    )
