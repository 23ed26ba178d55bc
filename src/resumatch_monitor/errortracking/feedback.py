"""What users write about errors, or about anything else: `feedback` and `user_report` items."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson
from prometheus_client import Counter

from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.sentry.items import ItemKind, ItemRecord
from resumatch_monitor.sentry.lenient import parse_json
from resumatch_monitor.sentry.values import as_dict, as_text

MOST_FEEDBACK = 10_000
"""Of one project; the oldest goes."""
_LONGEST_MESSAGE = 4_096
_LONGEST_TEXT = 200
_LONGEST_URL = 1_000


class FeedbackError(Exception):
    """The item has no message; the error says why, without quoting it."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a user wrote.

    Attributes:
        id: 0 before it is stored.
        item_id: Of the record that it came in.
        event_id: The event that it is about, 32 hexadecimal digits; empty if it is about none.
        issue_id: The issue that the event is in; None if there is none, or not yet.
        name: What the user called themselves; so with `email`.
        source: Where it was written, in the SDK's words; empty for a `user_report`.
        at: When it was received.
    """

    id: int
    item_id: str
    project_id: int
    event_id: str
    message: str
    name: str
    email: str
    url: str
    source: str
    environment: str
    release: str
    at: datetime
    issue_id: int | None = None


class FeedbackStore(Protocol):
    """Keeps feedback."""

    async def add(self, records: Sequence[ItemRecord], feedback: Sequence[Feedback]) -> None:
        """Keep what is new, each once, in one durable transaction.

        Raises:
            StorageUnavailableError: If nothing was kept and trying again may help.
        """
        ...


class FeedbackReader(Protocol):
    """Shows feedback."""

    async def list_feedback(
        self,
        *,
        project_id: int | None,
        issue_id: int | None,
        before_id: int | None,
        limit: int,
    ) -> Sequence[Feedback]:
        """Return feedback, the latest first."""
        ...


class TextCleaner(Protocol):
    """Takes out of a text what must not be stored."""

    def clean_text(self, text: str) -> str:
        """Return `text` without it."""
        ...


class CleanerOf(Protocol):
    """Finds the rules of a project."""

    def of(self, project_id: int) -> TextCleaner:
        """Return what cleans a project's texts."""
        ...


class FeedbackProcessor:
    """Implements `ItemProcessor` for what users write."""

    def __init__(self, *, store: FeedbackStore, cleaners: CleanerOf, telemetry: Telemetry) -> None:
        self._store = store
        self._cleaners = cleaners
        self._counted = Counter(
            "resumatch_monitor_feedback_total",
            "What users wrote, by what became of it.",
            ["outcome"],
            registry=telemetry.registry,
        )
        for outcome in ("stored", "unreadable"):
            self._counted.labels(outcome)

    async def process(self, records: Sequence[ItemRecord]) -> None:
        """Keep feedback; see `ItemProcessor`."""
        feedback = await asyncio.to_thread(self._read_all, records)
        await self._store.add(records, feedback)
        self._counted.labels("stored").inc(len(feedback))
        self._counted.labels("unreadable").inc(len(records) - len(feedback))

    def _read_all(self, records: Sequence[ItemRecord]) -> list[Feedback]:
        found: list[Feedback] = []
        for record in records:
            try:
                found.append(read_feedback(record, self._cleaners.of(record.project_id)))
            except FeedbackError:
                continue
        return found


def read_feedback(record: ItemRecord, cleaner: TextCleaner) -> Feedback:
    """Return what a record says, without what must not be stored.

    Who wrote gave name and address in order to be answered: these stay.

    Raises:
        FeedbackError: If there is no message.
    """
    try:
        payload = as_dict(parse_json(record.payload)[0])
    except orjson.JSONDecodeError as error:
        raise FeedbackError("it is not JSON") from error
    if record.kind is ItemKind.USER_REPORT:
        message, said = payload.get("comments"), payload
        email, about = payload.get("email"), payload.get("event_id") or record.event_id
    else:
        said = as_dict(as_dict(payload.get("contexts")).get("feedback"))
        message, email = said.get("message"), said.get("contact_email")
        about = said.get("associated_event_id")
    text = _cut(message, _LONGEST_MESSAGE)
    if not text:
        raise FeedbackError("it has no message")
    return Feedback(
        id=0,
        item_id=record.item_id,
        project_id=record.project_id,
        event_id=_read_id(about),
        message=cleaner.clean_text(text),
        name=_cut(said.get("name"), _LONGEST_TEXT),
        email=_cut(email, _LONGEST_TEXT),
        url=_cut(cleaner.clean_text(_cut(said.get("url"), _LONGEST_URL)), _LONGEST_URL),
        source=_cut(said.get("source"), _LONGEST_TEXT),
        environment=_cut(payload.get("environment"), _LONGEST_TEXT),
        release=_cut(payload.get("release"), _LONGEST_TEXT),
        at=record.received_at,
    )


def _cut(value: Any, longest: int) -> str:
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f]+", "", as_text(value)[: longest * 2]).strip()[:longest]


def _read_id(value: Any) -> str:
    digits = as_text(value).replace("-", "").lower()
    return digits if re.fullmatch(r"[0-9a-f]{32}", digits) else ""
