"""Elasticsearch's aggregations, as far as dashboards ask for them, answered by a `LogReader`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast

from resumatch_monitor.logs.fields import Field
from resumatch_monitor.logs.query.dsl import (
    TIME_FIELDS,
    DslError,
    Json,
    all_of,
    allow,
    as_object,
    equals,
    resolve_name,
)
from resumatch_monitor.logs.store import FOREVER_US, FieldStatistics, LogQuery, LogReader

MAX_BUCKETS = 10_000
MAX_QUESTIONS = 1_000
_MAX_DEPTH = 4
_MAX_TERMS = 1_000
_DEFAULT_TERMS = 10
_LATEST_MS = 200_000_000_000_000
_UNITS_MS = {
    "ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000,
    "second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000, "week": 604_800_000,
}  # fmt: skip
_INTERVAL = re.compile(r"([0-9]{1,12})?\s*([a-z]{1,6})")
_HISTOGRAM_OPTIONS = frozenset(
    {
        "field", "fixed_interval", "calendar_interval", "interval", "min_doc_count", "format",
        "extended_bounds", "time_zone",
    }
)  # fmt: skip
_TERMS_OPTIONS = frozenset({"field", "size", "shard_size", "order", "min_doc_count"})
_METRICS = frozenset({"avg", "min", "max", "sum", "value_count", "stats"})
_NESTED = ("aggs", "aggregations")


@dataclass(slots=True)
class Aggregator:
    """Answers aggregations, with so many questions to the store and no more."""

    reader: LogReader
    questions: int = 0

    async def answer(
        self, query: LogQuery, aggregations: Any, path: str = "aggs", depth: int = 0
    ) -> dict[str, Any]:
        """Return what `aggregations` ask about the records that match `query`, by their names.

        Raises:
            DslError: If one is not understood, or they ask for too much.
        """
        if depth >= _MAX_DEPTH:
            raise DslError(path, f"aggregations are nested {_MAX_DEPTH} deep at most")
        answers: dict[str, Any] = {}
        for name, aggregation in as_object(aggregations, path).items():
            here = f"{path}.{name[:100]}"
            body = as_object(aggregation, here)
            kinds = [each for each in body if each not in (*_NESTED, "meta")]
            if len(kinds) != 1:
                raise DslError(here, "one kind of aggregation is expected")
            kind = kinds[0]
            options = as_object(body[kind], f"{here}.{kind}")
            nested = next((body[each] for each in _NESTED if body.get(each)), None)
            asked = _Asked(query, options, nested, f"{here}.{kind}", depth)
            answers[name] = await self._answer(kind, asked)
        return answers

    async def _answer(self, kind: str, asked: "_Asked") -> dict[str, Any]:
        if kind == "date_histogram":
            return await self._histogram(asked)
        if kind == "terms":
            return await self._terms(asked)
        if kind in _METRICS:
            if asked.nested is not None:
                raise DslError(asked.path, "a metric has no aggregations of its own")
            return await self._metric(kind, asked)
        raise DslError(asked.path, f"unknown aggregation [{kind[:100]}]")

    async def _histogram(self, asked: "_Asked") -> dict[str, Any]:
        options, path = asked.options, asked.path
        allow(options, _HISTOGRAM_OPTIONS, path)
        if options.get("field") not in TIME_FIELDS:
            raise DslError(f"{path}.field", "only @timestamp is understood")
        if str(options.get("time_zone", "UTC")).upper() not in ("UTC", "Z", "+00:00"):
            raise DslError(f"{path}.time_zone", "only UTC is understood")
        step_ms = _read_interval(options, path)
        query = await self._bound_time(asked.query)
        if (query.end_us - query.start_us) // 1_000 > step_ms * MAX_BUCKETS:
            raise DslError(path, f"it has more than {MAX_BUCKETS} buckets")
        self._ask(path)
        found = await self.reader.histogram(query, step_us=step_ms * 1_000)
        counts = {each.start_us // 1_000: sum(each.by_severity.values()) for each in found}
        least = _read_whole(options, "min_doc_count", 0, path)
        starts = _fill(counts, step_ms, options, path) if least == 0 else sorted(counts)
        is_number = options.get("format") == "epoch_millis"
        buckets: list[dict[str, Any]] = []
        for start in starts:
            inner = replace(
                query,
                start_us=max(query.start_us, start * 1_000),
                end_us=min(query.end_us, (start + step_ms) * 1_000),
            )
            bucket: dict[str, Any] = {
                "key": start,
                "key_as_string": str(start) if is_number else _render_ms(start),
                "doc_count": counts.get(start, 0),
            }
            buckets.append(await self._nest(bucket, inner, asked))
        return {"buckets": buckets}

    async def _terms(self, asked: "_Asked") -> dict[str, Any]:
        options, path = asked.options, asked.path
        allow(options, _TERMS_OPTIONS, path)
        name = _read_field(options, path)
        if resolve_name(name) == Field.MESSAGE:
            raise DslError(f"{path}.field", "a message is a text, and has no terms to count")
        size = _read_whole(options, "size", _DEFAULT_TERMS, path)
        least = _read_whole(options, "min_doc_count", 1, path)
        self._ask(path)
        limit = min(size or _MAX_TERMS, _MAX_TERMS)
        top = await self.reader.top_values(asked.query, resolve_name(name), limit=limit)
        buckets: list[dict[str, Any]] = []
        for value, count in top.values:
            if count < least:
                continue
            node = all_of([asked.query.node, equals(name, value, path)])
            bucket: dict[str, Any] = {"key": value, "doc_count": count}
            buckets.append(await self._nest(bucket, replace(asked.query, node=node), asked))
        return {
            "doc_count_error_upper_bound": 0,
            "sum_other_doc_count": top.others,
            "buckets": _order(buckets, options.get("order"), f"{path}.order"),
        }

    async def _metric(self, kind: str, asked: "_Asked") -> dict[str, Any]:
        name = _read_field(asked.options, asked.path)
        allow(asked.options, frozenset({"field"}), asked.path)
        if name in TIME_FIELDS:
            raise DslError(f"{asked.path}.field", "time is counted by date_histogram")
        self._ask(asked.path)
        return _render_metric(kind, await self.reader.statistics(asked.query, resolve_name(name)))

    async def _nest(
        self, bucket: dict[str, Any], query: LogQuery, asked: "_Asked"
    ) -> dict[str, Any]:
        if asked.nested is None:
            return bucket
        if not bucket["doc_count"]:
            return {**bucket, **_answer_nothing(asked.nested, asked.path)}
        nested = await self.answer(query, asked.nested, f"{asked.path}.aggs", asked.depth + 1)
        return {**bucket, **nested}

    async def _bound_time(self, query: LogQuery) -> LogQuery:
        """Return `query` with both ends of its time, where the records end if it had none."""
        if query.start_us <= 0:
            page = await self.reader.search(query, limit=1, is_newest_first=False)
            first = page.items[0].record.timestamp_us if page.items else 0
            query = replace(query, start_us=first)
        if query.end_us >= FOREVER_US:
            page = await self.reader.search(query, limit=1)
            last = page.items[0].record.timestamp_us if page.items else query.start_us
            query = replace(query, end_us=last + 1_000)
        return query

    def _ask(self, path: str) -> None:
        self.questions += 1
        if self.questions > MAX_QUESTIONS:
            raise DslError(path, f"the aggregations have more than {MAX_QUESTIONS} buckets to ask")


@dataclass(frozen=True, slots=True)
class _Asked:
    """One aggregation.

    Attributes:
        nested: What is asked of each of its buckets; None for nothing.
    """

    query: LogQuery
    options: Json
    nested: Any
    path: str
    depth: int


def _read_field(options: Json, path: str) -> str:
    name = options.get("field")
    if not isinstance(name, str) or not 0 < len(name) <= 200:
        raise DslError(f"{path}.field", "the name of a field is expected")
    return name


def _read_whole(options: Json, name: str, default: int, path: str) -> int:
    value = options.get(name, default)
    # Grafana sends numbers as texts.
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise DslError(f"{path}.{name}", "a number is expected")
    return value


def _read_interval(options: Json, path: str) -> int:
    for name in ("fixed_interval", "calendar_interval", "interval"):
        if name not in options:
            continue
        match = _INTERVAL.fullmatch(str(options[name]))
        unit_ms = _UNITS_MS.get(match[2]) if match else None
        step_ms = int(match[1] or 1) * unit_ms if match and unit_ms else 0
        if step_ms <= 0 or step_ms > 10**12:
            raise DslError(f"{path}.{name}", "an interval like 30s, 5m, 1h or 1d is expected")
        return step_ms
    raise DslError(path, "fixed_interval is missing")


def _fill(counts: Mapping[int, int], step_ms: int, options: Json, path: str) -> list[int]:
    """Return where buckets begin, with those that are empty."""
    edges = list(counts)
    bounds = as_object(options.get("extended_bounds") or {}, f"{path}.extended_bounds")
    named = [bounds[name] for name in ("min", "max") if isinstance(bounds.get(name), int)]
    if any(abs(edge) > _LATEST_MS for edge in named):
        raise DslError(f"{path}.extended_bounds", "that is too far away")
    edges += [edge // step_ms * step_ms for edge in named]
    if not edges:
        return []
    if (max(edges) - min(edges)) // step_ms > MAX_BUCKETS:
        raise DslError(path, f"it has more than {MAX_BUCKETS} buckets")
    return list(range(min(edges), max(edges) + 1, step_ms))


def _order(buckets: list[dict[str, Any]], order: Any, path: str) -> list[dict[str, Any]]:
    """Return the most frequent in another order, if one is asked for."""
    if order is None:
        return buckets
    wanted = cast("list[Any]", order) if isinstance(order, list) else [order]
    for each in reversed(wanted):
        for name, direction in as_object(each, path).items():
            is_descending = str(direction).lower() == "desc"
            sign = -1 if is_descending else 1
            if name in ("_count", "_key", "_term"):
                key = "doc_count" if name == "_count" else "key"
                buckets = sorted(buckets, key=lambda it: it[key], reverse=is_descending)
            elif all("value" in bucket.get(name, ()) for bucket in buckets):
                # What has no value comes last either way.
                buckets = sorted(
                    buckets,
                    key=lambda it: (it[name]["value"] is None, sign * (it[name]["value"] or 0)),
                )
            else:
                raise DslError(f"{path}.{name[:100]}", "this is nothing to order by")
    return buckets


def _render_metric(kind: str, found: FieldStatistics) -> dict[str, Any]:
    if kind == "stats":
        return {
            "count": found.count,
            "min": found.minimum,
            "max": found.maximum,
            "avg": found.mean,
            "sum": found.total or 0,
        }
    values = {
        "avg": found.mean,
        "min": found.minimum,
        "max": found.maximum,
        "sum": found.total or 0,
        "value_count": found.count,
    }
    return {"value": values[kind]}


def _answer_nothing(aggregations: Any, path: str) -> dict[str, Any]:
    """Return what is answered about no records, in the shape that some would have."""
    answers: dict[str, Any] = {}
    for name, body in as_object(aggregations, f"{path}.aggs").items():
        if _METRICS.isdisjoint(as_object(body, f"{path}.aggs.{name[:100]}")):
            answers[name] = {"buckets": []}
        else:
            kind = next(each for each in body if each in _METRICS)
            answers[name] = _render_metric(kind, FieldStatistics(0, None, None, None, None))
    return answers


def _render_ms(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1_000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
