"""What is wrong in a single request: N+1 queries, slow queries, requests one after the other."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import timedelta

from resumatch_monitor.tracing.performance.config import FindingsConfig
from resumatch_monitor.tracing.performance.model import Call, CallKind, FindingKind, Found

_MICROSECOND = timedelta(microseconds=1)
_FOUND_MAX = 20
_TITLE_MAX = 500
# Clocks of spans are read one after the other: what follows may begin a little before the end.
_OVERLAP_US = 500


def find_problems(calls: Sequence[Call], config: FindingsConfig) -> list[Found]:
    """Return what is wrong, each thing once; at most 20 of them.

    Args:
        calls: Of one segment, ordered by their start.
        config: From where on something is wrong.
    """
    queries = [call for call in calls if call.kind is CallKind.DATABASE]
    requests = [call for call in calls if call.kind is CallKind.HTTP]
    found: dict[tuple[FindingKind, bytes], Found] = {}
    for each in (
        *_find_repeated(queries, config),
        *_find_slow(queries, config),
        *_find_consecutive(requests, config),
    ):
        known = found.get((each.kind, each.digest))
        if known is None or each.duration_us > known.duration_us:
            found[each.kind, each.digest] = each
    return list(found.values())[:_FOUND_MAX]


def _find_repeated(queries: Sequence[Call], config: FindingsConfig) -> Iterator[Found]:
    """Yield runs of one query, one after the other below one parent."""
    least_us = config.repeated_queries_duration // _MICROSECOND
    by_place: dict[tuple[str, bytes], list[Call]] = {}
    for call in queries:
        by_place.setdefault((call.parent_span_id, call.digest), []).append(call)
    for calls in by_place.values():
        for run in _split_runs(calls):
            total_us = sum(call.duration_us for call in run)
            if len(run) >= config.repeated_queries and total_us >= least_us:
                first = run[0]
                yield Found(
                    FindingKind.N_PLUS_ONE,
                    first.digest,
                    first.text[:_TITLE_MAX],
                    first.span_id,
                    len(run),
                    total_us,
                )


def _find_slow(queries: Sequence[Call], config: FindingsConfig) -> Iterator[Found]:
    least_us = config.slow_query // _MICROSECOND
    for call in queries:
        if call.duration_us >= least_us:
            yield Found(
                FindingKind.SLOW_QUERY,
                call.digest,
                call.text[:_TITLE_MAX],
                call.span_id,
                1,
                call.duration_us,
            )


def _find_consecutive(requests: Sequence[Call], config: FindingsConfig) -> Iterator[Found]:
    """Yield runs of slow requests that could have been made at the same time."""
    each_us = config.consecutive_request_duration // _MICROSECOND
    least_us = config.consecutive_requests_duration // _MICROSECOND
    by_parent: dict[str, list[Call]] = {}
    for call in requests:
        if call.duration_us >= each_us:
            by_parent.setdefault(call.parent_span_id, []).append(call)
    for calls in by_parent.values():
        for run in _split_runs(calls):
            total_us = sum(call.duration_us for call in run)
            if len(run) >= config.consecutive_requests and total_us >= least_us:
                texts = list(dict.fromkeys(call.text for call in run))
                digest = hashlib.blake2b(
                    "\0".join(texts).encode("utf-8", "replace"), digest_size=16
                )
                yield Found(
                    FindingKind.CONSECUTIVE_HTTP,
                    digest.digest(),
                    ", ".join(texts)[:_TITLE_MAX],
                    run[0].span_id,
                    len(run),
                    total_us,
                )


def _split_runs(calls: Sequence[Call]) -> Iterator[list[Call]]:
    """Yield stretches of calls of which none begins before the one before it has ended."""
    run: list[Call] = []
    for call in calls:
        if run and call.started_us < run[-1].ended_us - _OVERLAP_US:
            yield run
            run = []
        run.append(call)
    if run:
        yield run
