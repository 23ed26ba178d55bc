"""What happens to records between the spool and the index: processors, and scrubbing at the end."""

from collections.abc import Callable, Sequence
from typing import Protocol

from resumatch_monitor.logs.record import LogRecord
from resumatch_monitor.logs.scrubbing import RecordScrubber


class RecordProcessor(Protocol):
    """Changes records, or leaves some out."""

    def process(self, record: LogRecord) -> LogRecord | None:
        """Return what becomes of a record; None if it is dropped. Never raises."""
        ...


class Processor:
    """Sends records through the processors; what must not be stored is always taken out, last."""

    def __init__(
        self,
        *,
        scrubber_of: Callable[[int], RecordScrubber],
        processors: Sequence[RecordProcessor] = (),
    ) -> None:
        """Take the parts.

        Args:
            scrubber_of: Returns the scrubber of a project.
            processors: In order.
        """
        self._scrubber_of = scrubber_of
        self._processors = tuple(processors)

    def process(self, records: Sequence[LogRecord], projects: Sequence[int]) -> list[LogRecord]:
        """Return what is to be stored of `records`, which belong to `projects`."""
        kept: list[LogRecord] = []
        for record, project_id in zip(records, projects, strict=True):
            processed = self._run(record)
            if processed is not None:
                kept.append(self._scrubber_of(project_id).clean(processed))
        return kept

    def _run(self, record: LogRecord) -> LogRecord | None:
        processed: LogRecord | None = record
        for processor in self._processors:
            processed = processor.process(processed)
            if processed is None:
                return None
        return processed
