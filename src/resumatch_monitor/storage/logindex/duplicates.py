"""Tells which records are there already, by the ids that their senders gave them."""

from collections.abc import Sequence

import tantivy

from resumatch_monitor.logs.record import LogRecord
from resumatch_monitor.storage.logindex.codec import CodecError, decode_record
from resumatch_monitor.storage.logindex.library import find_places
from resumatch_monitor.storage.logindex.partition import Partition

_PARTITIONS = 3
"""How many of the latest are asked: who sends again does so soon."""


def drop_duplicates(
    records: Sequence[LogRecord], partitions: Sequence[Partition]
) -> Sequence[LogRecord]:
    """Return the records whose ids are new, or that have none.

    Args:
        records: In order; of several with one id, the first is new.
        partitions: The oldest first.
    """
    ids = {record.record_id for record in records if record.record_id}
    if not ids:
        return records
    seen = _find_known(ids, partitions[-_PARTITIONS:])
    fresh: list[LogRecord] = []
    for record in records:
        if record.record_id:
            if record.record_id in seen:
                continue
            seen.add(record.record_id)
        fresh.append(record)
    return fresh


def _find_known(ids: set[str], partitions: Sequence[Partition]) -> set[str]:
    known: set[str] = set()
    for partition in partitions:
        searcher = partition.searcher
        query = tantivy.Query.term_set_query(partition.index.schema, "record_id", sorted(ids))
        places = find_places(searcher, query, limit=len(ids))
        found = partition.read_rows([row for _, row in places])
        for line in found.lines.values():
            try:
                known.add(decode_record(line)[1].record_id)
            except CodecError:
                continue
    return known
