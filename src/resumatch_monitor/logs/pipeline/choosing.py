"""Steps that leave records out."""

import hashlib

from resumatch_monitor.logs.pipeline.config import DropStep, SampleStep
from resumatch_monitor.logs.pipeline.draft import Draft
from resumatch_monitor.logs.pipeline.parsing import Apply, Surroundings
from resumatch_monitor.logs.record import LogRecord

SAMPLE_RATE = "log.sample_rate"
"""Tells for how many a record stands."""


def build_drop(_step: DropStep, _surroundings: Surroundings) -> Apply:
    """Return what drops every record."""

    def apply(draft: Draft) -> None:
        draft.is_dropped = True

    return apply


def build_sample(step: SampleStep, _surroundings: Surroundings) -> Apply:
    """Return what keeps a share of the records."""

    def apply(draft: Draft) -> None:
        record = draft.record
        key = record.trace_id or identify(record)
        digest = hashlib.blake2b(key.encode(errors="replace"), digest_size=7).digest()
        if int.from_bytes(digest, "big") >= step.rate * 2**56:
            draft.is_dropped = True
        else:
            draft.write_attributes({SAMPLE_RATE: step.rate})

    return apply


def identify(record: LogRecord) -> str:
    """Return a text that is the same whenever a record is processed again."""
    return "\0".join(
        (
            record.record_id,
            str(record.timestamp_us),
            str(record.observed_us),
            record.host,
            record.service,
            record.body,
        )
    )
