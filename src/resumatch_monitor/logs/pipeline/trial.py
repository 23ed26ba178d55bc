"""Tries a pipeline on records without storing anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import orjson

from resumatch_monitor.logs.attributes import LONGEST_BODY, cut_text
from resumatch_monitor.logs.document import Defaults, read_document, to_microseconds
from resumatch_monitor.logs.pipeline.config import PipelineConfig
from resumatch_monitor.logs.pipeline.draft import Draft, Order
from resumatch_monitor.logs.pipeline.parsing import Surroundings
from resumatch_monitor.logs.pipeline.running import Pipeline, StepReport, note_errors
from resumatch_monitor.logs.record import LogRecord
from resumatch_monitor.logs.scrubbing import RecordScrubber

PASTED = "pasted"
"""The source of records that somebody wrote to try a pipeline."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What a pipeline does with one record.

    Attributes:
        is_matched: Whether its `when` finds the record.
        after: None if it is dropped.
        orders: What would be counted, and made an event.
    """

    before: LogRecord
    is_matched: bool
    after: LogRecord | None
    reports: tuple[StepReport, ...]
    orders: tuple[Order, ...]


def read_line(line: str, observed_at: datetime, surroundings: Surroundings) -> LogRecord:
    """Return the record of a line that somebody pasted: a JSON object, or any text."""
    try:
        document: object = orjson.loads(line.encode(errors="replace"))
    except orjson.JSONDecodeError:
        document = None
    if isinstance(document, dict):
        return read_document(
            cast("dict[str, Any]", document),
            Defaults(observed_at=observed_at, source=PASTED, oldest=surroundings.oldest),
        )
    now_us = to_microseconds(observed_at)
    return LogRecord(
        timestamp_us=now_us,
        observed_us=now_us,
        body=cut_text(line, LONGEST_BODY),
        source=PASTED,
    )


def try_pipeline(
    config: PipelineConfig,
    records: Sequence[LogRecord],
    *,
    surroundings: Surroundings,
    scrubber: RecordScrubber,
) -> list[Trial]:
    """Return what a pipeline does with each record, as it would be stored then."""
    pipeline = Pipeline(config, surroundings)
    return [_try_record(pipeline, record, scrubber) for record in records]


def _try_record(pipeline: Pipeline, record: LogRecord, scrubber: RecordScrubber) -> Trial:
    if not pipeline.matches(record):
        return Trial(record, False, scrubber.clean(record), (), ())
    draft, reports = Draft(record), list[StepReport]()
    error = pipeline.run(draft, reports)
    after = None if draft.is_dropped else note_errors(draft.record, [error] if error else [])
    return Trial(
        before=record,
        is_matched=True,
        after=after and scrubber.clean(after),
        reports=tuple(reports),
        orders=tuple(draft.orders),
    )
