"""Files that come with events: attachments, and profiles and replays where they are kept."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from resumatch_monitor.sentry.file_texts import FileText, read_text
from resumatch_monitor.sentry.items import ItemKind, ItemRecord
from resumatch_monitor.sentry.values import as_text

_NAME_MAX = 200
_TYPE_MAX = 100
_PIECE_CHARACTERS = 64 * 1024
_TEXT_MAX_BYTES = 1024 * 1024
_DUMP_TYPES = frozenset(
    {
        "event.minidump",
        "event.applecrashreport",
        "event.prosperodump",
        "unreal.context",
        "unreal.logs",
    }
)
_UNNAMED = {
    ItemKind.PROFILE: "profile.json",
    ItemKind.PROFILE_CHUNK: "profile_chunk.json",
    ItemKind.REPLAY_EVENT: "replay_event.json",
    ItemKind.REPLAY_RECORDING: "replay_recording",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFile:
    """A file of an event, without its content.

    Attributes:
        id: Of its own.
        kind: What kind of item it came as.
        name: As its sender named it; no path.
        content_type: As its sender said. It is nothing to rely on.
        attachment_type: Sentry's, for example `event.view_hierarchy`.
    """

    id: int
    project_id: int
    event_id: str
    kind: ItemKind
    name: str
    content_type: str
    attachment_type: str
    received_at: datetime
    size_bytes: int


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to store: the record that it came in, with what is safe to keep of it."""

    record: ItemRecord
    name: str
    content_type: str
    attachment_type: str
    content: bytes


class FileStore(Protocol):
    """Keeps files."""

    async def store(self, files: Sequence[NewFile]) -> None:
        """Keep files, each once, however often its record comes.

        Raises:
            StorageUnavailableError: If nothing was kept and trying again may help.
        """
        ...


class FileReader(Protocol):
    """Finds files."""

    async def list_of_event(self, issue_id: int, event_id: str) -> Sequence[EventFile] | None:
        """Return the files of an issue's event, in order; None if there is no such event."""
        ...

    async def read_content(self, file: EventFile) -> bytes | None:
        """Return what is in a file; None if it is gone."""
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


class FileProcessor:
    """Digests attachments, and whatever else is kept as a file."""

    def __init__(self, *, store: FileStore, cleaners: CleanerOf) -> None:
        self._store = store
        self._cleaners = cleaners

    async def process(self, records: Sequence[ItemRecord]) -> None:
        files = await asyncio.to_thread(self._read_all, records)
        if files:
            await self._store.store(files)

    def _read_all(self, records: Sequence[ItemRecord]) -> list[NewFile]:
        return [self._read(record) for record in records if record.event_id or record.item_id]

    def _read(self, record: ItemRecord) -> NewFile:
        name = clean_name(as_text(record.headers.get("filename"))) or _UNNAMED.get(
            record.kind, "attachment"
        )
        content_type = as_text(record.headers.get("content_type"))[:_TYPE_MAX]
        content = record.payload
        if record.kind is ItemKind.ATTACHMENT:
            read = read_text(content, name, content_type, most=_TEXT_MAX_BYTES)
            if read is not None:
                content = self._clean(record.project_id, read, len(content))
        return NewFile(
            record,
            name,
            content_type,
            as_text(record.headers.get("attachment_type"))[:_TYPE_MAX],
            content,
        )

    def _clean(self, project_id: int, read: FileText, size_bytes: int) -> bytes:
        cleaner = self._cleaners.of(project_id)
        pieces: list[str] = []
        text, is_cut = read.text, size_bytes > _TEXT_MAX_BYTES
        if is_cut:
            # To look through more would keep events waiting; half a line may be half a secret.
            text = text[: text.rfind("\n") + 1 or None]
        start = 0
        while start < len(text):
            end = _find_end(text, start)
            pieces.append(cleaner.clean_text(text[start:end]))
            start = end
        if is_cut:
            pieces.append(f"[cut: {size_bytes} bytes]")
        return "".join(pieces).encode(read.encoding, errors="replace")


def _find_end(text: str, start: int) -> int:
    """Return where a piece ends such that half a secret is left on neither side."""
    end = start + _PIECE_CHARACTERS
    if end >= len(text):
        return len(text)
    key = text.rfind("-----BEGIN ", start + 1, end)
    if key != -1 and text.find("-----END ", key, end) == -1:
        return key
    return (text.rfind("\n", start, end) + 1) or end


def clean_name(name: str) -> str:
    """Return the last part of a name, without what a header or a file system would stumble over."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(each for each in last if each.isprintable()).strip(" .")
    return kept[:_NAME_MAX]


def is_dump(attachment_type: object) -> bool:
    """Tell whether an attachment is the dump of a native program, which nobody here reads."""
    return as_text(attachment_type) in _DUMP_TYPES
