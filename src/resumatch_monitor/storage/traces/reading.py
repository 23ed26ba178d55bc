"""Reading over all parts: traces by id, searches, what there is to choose from."""

import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from resumatch_monitor.storage.traces.codec import CodecError, decode_spans
from resumatch_monitor.storage.traces.part import Part, PartGoneError, Reader
from resumatch_monitor.storage.traces.search import (
    Found,
    parse_cursor,
    sample_part,
    search_part,
)
from resumatch_monitor.tracing.model import Span
from resumatch_monitor.tracing.store import (
    DurationSample,
    Facets,
    SegmentPage,
    SegmentQuery,
    SegmentSort,
    StoredTrace,
)
from resumatch_monitor.tracing.tree import without_repeats

logger = logging.getLogger(__name__)

_SEARCH_SECONDS = 4.0
_STEPS_BETWEEN_LOOKS = 20_000
_FRAGMENTS_MAX = 20_000
_FACET_ROWS = 5_000


class _TooSlowError(Exception):
    """The time for a search is up."""


class TraceReading:
    """What is asked of the parts; blocks, and may be called by several threads at once."""

    def __init__(
        self,
        parts: Callable[[], Sequence[Part]],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        timeout_seconds: float = _SEARCH_SECONDS,
    ) -> None:
        """Build it.

        Args:
            parts: Returns what parts there are, the newest first.
            monotonic: Seconds that never go backwards.
            timeout_seconds: How long a search may take.
        """
        self._parts = parts
        self._monotonic = monotonic
        self._timeout_seconds = timeout_seconds

    def find_trace(self, trace_id: str, limit: int) -> StoredTrace:
        """See `TraceReader`."""
        return read_trace(self._parts(), trace_id, limit)

    def search(self, query: SegmentQuery) -> SegmentPage:
        """See `TraceReader`."""
        after = None if not query.cursor else parse_cursor(query.cursor, query.sort)
        # One more than is given tells whether there is another page.
        limit, query = query.limit, replace(query, limit=query.limit + 1)
        found: list[Found] = []
        is_complete = True
        deadline = self._monotonic() + self._timeout_seconds
        try:
            for part in self._matching_parts(query):
                if _is_settled(found, part, query):
                    break
                with self._reading(part, deadline) as reader:
                    if reader is not None:
                        found.extend(search_part(reader.connection, part, query, after))
                found.sort(key=lambda each: each.place, reverse=True)
                del found[query.limit :]
        except _TooSlowError:
            is_complete = False
        has_more = len(found) > limit
        del found[limit:]
        return SegmentPage(
            tuple(each.summary for each in found),
            found[-1].place.to_cursor(query.sort) if has_more else None,
            is_complete,
        )

    def sample_durations(self, query: SegmentQuery, limit: int) -> DurationSample:
        """See `TraceReader`."""
        rows: list[tuple[int, bool]] = []
        is_cut = False
        deadline = self._monotonic() + self._timeout_seconds
        try:
            for part in self._matching_parts(query):
                with self._reading(part, deadline) as reader:
                    if reader is not None:
                        rows.extend(sample_part(reader.connection, query, limit - len(rows)))
                if len(rows) >= limit:
                    is_cut = True
                    break
        except _TooSlowError:
            is_cut = True
        return DurationSample(
            tuple(duration for duration, _ in rows),
            tuple(duration for duration, is_error in rows if is_error),
            is_cut,
        )

    def facets(self) -> Facets:
        """See `TraceReader`."""
        services, environments, ops = Counter[str](), Counter[str](), Counter[str]()
        for part in self._parts()[:2]:
            try:
                with part.read() as reader:
                    rows = reader.connection.execute(
                        "SELECT service.text, environment.text, op.text, count(*) FROM (SELECT"
                        " service_id, environment_id, op_id FROM segments ORDER BY id DESC LIMIT ?)"
                        " JOIN texts service ON service.id = service_id"
                        " JOIN texts environment ON environment.id = environment_id"
                        " JOIN texts op ON op.id = op_id GROUP BY 1, 2, 3",
                        (_FACET_ROWS,),
                    ).fetchall()
            except PartGoneError:
                continue
            except sqlite3.Error as error:
                _warn(part, error)
                continue
            for service, environment, op, count in rows:
                services[service] += count
                environments[environment] += count
                ops[op] += count
        return Facets(_ranked(services), _ranked(environments), _ranked(ops))

    def _matching_parts(self, query: SegmentQuery) -> list[Part]:
        parts = [
            part
            for part in self._parts()
            if part.extent.latest_us >= query.start_us and part.extent.earliest_us < query.end_us
        ]
        return sorted(parts, key=lambda part: part.extent.latest_us, reverse=True)

    @contextmanager
    def _reading(self, part: Part, deadline: float) -> Generator[Reader | None]:
        """Lend a connection that is interrupted at `deadline`; None if the part is gone."""
        if self._monotonic() > deadline:
            raise _TooSlowError
        try:
            with part.read() as reader:
                reader.connection.set_progress_handler(
                    lambda: int(self._monotonic() > deadline), _STEPS_BETWEEN_LOOKS
                )
                try:
                    yield reader
                finally:
                    reader.connection.set_progress_handler(None, 0)
        except PartGoneError:
            yield None
        except sqlite3.Error as error:
            if "interrupted" in str(error):
                raise _TooSlowError from error
            _warn(part, error)


def read_trace(
    parts: Sequence[Part], trace_id: str, limit: int, *, is_newest_first: bool = False
) -> StoredTrace:
    """Return the spans of a trace that are in `parts`, at most `limit`.

    Args:
        parts: Where to look, in this order.
        trace_id: 32 hexadecimal digits.
        limit: How many spans at most.
        is_newest_first: If there are more, whether those are given that came last.
    """
    spans: list[Span] = []
    is_cut = False
    # What came twice is read twice.
    most = 2 * limit
    for part in parts:
        try:
            with part.read() as reader:
                is_cut = _read_fragments(reader, trace_id, spans, most, is_newest_first)
        except PartGoneError:
            continue
        except sqlite3.Error as error:
            _warn(part, error)
            continue
        if is_cut:
            break
    kept = without_repeats(spans)
    return StoredTrace(tuple(kept[:limit]), is_cut or len(kept) > limit)


def _is_settled(found: Sequence[Found], part: Part, query: SegmentQuery) -> bool:
    """Tell whether nothing in `part`, or in what is older, can come before what was found."""
    return (
        query.sort is SegmentSort.NEWEST
        and len(found) == query.limit
        and found[-1].place.value > part.extent.latest_us
    )


def _read_fragments(
    reader: Reader, trace_id: str, spans: list[Span], limit: int, is_newest_first: bool
) -> bool:
    """Add the spans of a part to `spans`; return whether there are more than `limit`."""
    order = "DESC" if is_newest_first else "ASC"
    rows = reader.connection.execute(
        "SELECT dict_id, payload, span_count FROM fragments WHERE trace_id = ?"  # noqa: S608
        f" ORDER BY id {order} LIMIT ?",
        (bytes.fromhex(trace_id), _FRAGMENTS_MAX),
    )
    for dict_id, payload, span_count in rows:
        if len(spans) + span_count > limit and spans:
            rows.close()
            return True
        try:
            spans.extend(decode_spans(reader.decompress(dict_id, payload), trace_id))
        except CodecError:
            logger.warning("A fragment of trace %s is damaged and left out", trace_id)
    return False


def _warn(part: Part, error: sqlite3.Error) -> None:
    # One damaged file must not hide what is in the others.
    logger.warning("Traces in %s cannot be read: %s", part.path.name, error)


def _ranked(counts: Counter[str]) -> tuple[str, ...]:
    return tuple(text for text, _ in counts.most_common(200) if text)
