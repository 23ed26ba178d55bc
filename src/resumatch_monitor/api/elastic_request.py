"""Reads the body of an Elasticsearch search."""

from dataclasses import dataclass
from typing import Any, cast

from resumatch_monitor.api.errors import BadRequestError
from resumatch_monitor.api.timerange import parse_time
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.logs.query.dsl import (
    TIME_FIELDS,
    DslError,
    DslReader,
    Json,
    allow,
    as_object,
    only_entry,
)
from resumatch_monitor.logs.store import FOREVER_US, LogQuery

MAX_SIZE = 1_000
_DEFAULT_SIZE = 10
_LARGEST_SEQ = 2**62
_LATEST_MS = 200_000_000_000_000
# What changes nothing about which records are found.
_IGNORED = frozenset(
    {
        "track_total_hits", "track_scores", "timeout", "version", "seq_no_primary_term", "explain",
        "fields", "docvalue_fields", "stored_fields", "script_fields", "highlight", "min_score",
        "terminate_after", "preference", "runtime_mappings",
    }
)  # fmt: skip
_KNOWN = _IGNORED | {
    "query", "size", "from", "sort", "search_after", "_source", "aggs", "aggregations",
}  # fmt: skip
_TIES = frozenset({"_doc", "_shard_doc", "_id", "_score", "seq"})


@dataclass(frozen=True, slots=True)
class ElasticSearch:
    """What a search asks for.

    Attributes:
        size: How many hits.
        skip: How many before them are left out.
        after: The place after which the page begins.
        source: What is shown of each: all (True), nothing (False), or some fields.
    """

    query: LogQuery
    size: int
    skip: int
    after: int | None
    is_newest_first: bool
    source: bool | list[str]
    aggregations: Any


def read_search(body: Any, clock: Clock) -> ElasticSearch:
    """Return what the body of a search asks for.

    Raises:
        DslError: If a part is not understood.
    """
    asked = as_object(body, "body")
    allow(asked, _KNOWN, "body")
    size = _read_whole(asked, "size", _DEFAULT_SIZE)
    skip = _read_whole(asked, "from", 0)
    if size + skip > MAX_SIZE:
        raise DslError("size", f"from and size are {MAX_SIZE} at most; go on with search_after")
    is_newest_first = _read_sort(asked.get("sort"))
    query = read_query(asked.get("query"), clock)
    after = None
    if asked.get("search_after") is not None:
        query, after = _read_after(asked["search_after"], query, is_newest_first=is_newest_first)
    return ElasticSearch(
        query,
        size,
        skip,
        after,
        is_newest_first,
        _read_source(asked.get("_source", True)),
        asked.get("aggs") or asked.get("aggregations"),
    )


def read_query(query: Any, clock: Clock) -> LogQuery:
    """Return what a query asks for; None asks for everything.

    Raises:
        DslError: If a part is not understood.
    """
    if query is None:
        return LogQuery()

    def read_time(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError("a time is expected")  # noqa: TRY004
        try:
            return parse_time(str(value).replace("||", "") or "?", clock=clock)
        except BadRequestError as error:
            raise ValueError(error.message) from error

    reader = DslReader(read_time)
    node = reader.read(query)
    start_us = 0 if reader.start_ms is None else reader.start_ms * 1_000
    end_us = FOREVER_US if reader.end_ms is None else reader.end_ms * 1_000
    return LogQuery(node, start_us=start_us, end_us=end_us)


def _read_whole(asked: Json, name: str, default: int) -> int:
    value = asked.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise DslError(name, "a number from 0 is expected")
    return value


def _read_sort(sort: Any) -> bool:
    """Return whether the newest come first."""
    is_newest_first = True
    listed = cast("list[Any]", sort) if isinstance(sort, list) else [] if sort is None else [sort]
    for at, each in enumerate(listed):
        name, options = (each, "") if isinstance(each, str) else only_entry(each, f"sort[{at}]")
        if name in _TIES:
            continue
        if name not in TIME_FIELDS:
            raise DslError(f"sort[{at}].{name[:100]}", "only @timestamp is sorted by")
        order = cast("Json", options).get("order") if isinstance(options, dict) else options
        # A name alone sorts upwards; in words it is said.
        is_newest_first = str(order or "asc").lower() == "desc"
    return is_newest_first


def _read_after(
    value: Any, query: LogQuery, *, is_newest_first: bool
) -> tuple[LogQuery, int | None]:
    values = cast("list[Any]", value) if isinstance(value, list) else []
    numbers: list[int] = []
    for each in values:
        text = str(each)
        if isinstance(each, bool) or not (text.isascii() and text.isdigit() and len(text) < 20):
            break
        numbers.append(int(text))
    if not values or len(numbers) != len(values) or len(numbers) > 2 or numbers[0] > _LATEST_MS:
        raise DslError("search_after", "the values of sort of the last hit are expected")
    if len(numbers) == 2:
        return query, min(numbers[1], _LARGEST_SEQ)
    start_us, end_us = query.start_us, query.end_us
    if is_newest_first:
        end_us = min(end_us, numbers[0] * 1_000)
    else:
        start_us = max(start_us, (numbers[0] + 1) * 1_000)
    return LogQuery(query.node, start_us=start_us, end_us=end_us), None


def _read_source(source: Any) -> bool | list[str]:
    if isinstance(source, bool):
        return source
    if isinstance(source, dict):
        body = as_object(cast("Any", source), "_source")
        allow(body, frozenset({"includes"}), "_source")
        source = body.get("includes", ["*"])
    listed = cast("list[Any]", source) if isinstance(source, list) else [source]
    names = [each for each in listed if isinstance(each, str)]
    if len(names) != len(listed) or len(names) > 500:
        raise DslError("_source", "names of fields are expected")
    return names
