"""Makes records of what lies in the spool, whichever door it came through."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

from resumatch_monitor.logs.chunk import SENTRY, ChunkError, LogChunk, decode_chunk
from resumatch_monitor.logs.document import Defaults
from resumatch_monitor.logs.formats import (
    documents,
    elastic,
    lines,
    loki,
    otlp,
    sentry,
    syslog,
    vercel,
)
from resumatch_monitor.logs.record import LogRecord

logger = logging.getLogger(__name__)

FormatReader: TypeAlias = Callable[[LogChunk, Defaults], Iterable[LogRecord]]

FORMATS: Mapping[str, FormatReader] = {
    documents.IDENTIFIED: documents.read_identified,
    documents.PLAIN: documents.read_plain,
    lines.LINES: lines.read_lines,
    elastic.ELASTIC: elastic.read_elastic,
    otlp.OTLP: otlp.read_otlp,
    loki.LOKI: loki.read_loki,
    vercel.VERCEL: vercel.read_vercel,
    SENTRY: sentry.read_items,
    syslog.SYSLOG: syslog.read_messages,
}
"""The reader of each format; `LogChunk.format` is a key."""


@dataclass(slots=True)
class ReadRecords:
    """The records of a batch, and how many chunks could not be read.

    Attributes:
        projects: The project of each record.
    """

    records: list[LogRecord] = field(default_factory=list[LogRecord])
    projects: list[int] = field(default_factory=list[int])
    unreadable: int = 0


class ChunkReader:
    """Reads chunks by their format."""

    def __init__(
        self,
        *,
        oldest: timedelta,
        service_of: Callable[[int], str] = lambda _project_id: "",
        formats: Mapping[str, FormatReader] = FORMATS,
    ) -> None:
        self._oldest = oldest
        self._service_of = service_of
        self._formats = formats

    def read(self, payloads: Sequence[bytes]) -> ReadRecords:
        """Return the records of what lies in the spool, in order.

        A chunk that cannot be read is counted and left out; what was read of it stays.
        """
        read = ReadRecords()
        for payload in payloads:
            try:
                chunk = decode_chunk(payload)
                for record in self._formats[chunk.format](chunk, self._defaults(chunk)):
                    read.records.append(record)
                    read.projects.append(chunk.project_id)
            except ChunkError as error:
                logger.warning("Logs in the spool cannot be read: %s", error)
                read.unreadable += 1
            except Exception as error:  # noqa: BLE001 - one bad chunk must not stop the others
                # The error's text may quote what was sent, so only its type is told.
                logger.warning("Logs in the spool cannot be read: %s", type(error).__name__)
                read.unreadable += 1
        return read

    def _defaults(self, chunk: LogChunk) -> Defaults:
        hints = chunk.hints
        return Defaults(
            observed_at=chunk.received_at,
            source=str(hints.get("source", chunk.format)),
            service=str(hints.get("service", "")) or self._service_of(chunk.project_id),
            environment=str(hints.get("environment", "")),
            release=str(hints.get("release", "")),
            host=str(hints.get("host", "")),
            oldest=self._oldest,
        )
