"""Which series, labels and values there are, as Prometheus' API lists them."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import TypeVar

from resumatch_monitor.api.prometheus_answer import render_data
from resumatch_monitor.api.prometheus_json import TRUNCATED
from resumatch_monitor.api.prometheus_params import Params
from resumatch_monitor.metrics.labels import Labels, Matcher
from resumatch_monitor.metrics.samples import Queryable
from resumatch_monitor.promql.runner import QueryRunner

_EPOCH_MS = 0
_FAR_AHEAD = timedelta(days=365)
_MOST_ITEMS = 100_000
"""Series or values that one answer holds at most; an answer cut short carries a warning."""
_ESCAPED_PREFIX = "U__"
_ESCAPE = re.compile(r"__|_([0-9A-Fa-f]{1,6})_|_")
_LARGEST_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)

Finder = Callable[[Queryable, Sequence[Matcher], int, int], Iterable[str]]
ItemT = TypeVar("ItemT")


class SeriesHandlers:
    """Answers with what the store has."""

    def __init__(self, queries: QueryRunner) -> None:
        self._queries = queries

    async def series(self, params: Params) -> bytes:
        """List the label sets that any of the selectors matches."""
        sets = params.matcher_sets(required=True)
        limit = params.limit()
        start_ms, end_ms = _period(params)

        def read(store: Queryable) -> bytes:
            found: set[Labels] = set()
            for each in sets:
                found.update(store.find_series(each, start_ms, end_ms))
            kept, warnings = _cut(sorted(found), limit)
            return render_data([labels.mapping for labels in kept], warnings)

        return await self._queries.read(read)

    async def labels(self, params: Params) -> bytes:
        """List label names."""

        def find(
            store: Queryable, matchers: Sequence[Matcher], start_ms: int, end_ms: int
        ) -> Iterable[str]:
            return store.find_label_names(matchers, start_ms, end_ms)

        return await self._find(params, find)

    async def label_values(self, params: Params) -> bytes:
        """List the values of the label that the path names."""
        name = unescape_name(params.path("name"))

        def find(
            store: Queryable, matchers: Sequence[Matcher], start_ms: int, end_ms: int
        ) -> Iterable[str]:
            return store.find_label_values(name, matchers, start_ms, end_ms)

        return await self._find(params, find)

    async def _find(self, params: Params, find: Finder) -> bytes:
        sets: Sequence[Sequence[Matcher]] = params.matcher_sets(required=False) or [()]
        limit = params.limit()
        start_ms, end_ms = _period(params)

        def read(store: Queryable) -> bytes:
            found: set[str] = set()
            for each in sets:
                found.update(find(store, each, start_ms, end_ms))
            return render_data(*_cut(sorted(found), limit))

        return await self._queries.read(read)


def unescape_name(name: str) -> str:
    """Return the label name that `U__…` stands for: `_2e_` is a dot, `__` an underscore.

    A name that is not escaped so, or wrongly, stands for itself.
    """
    if not name.startswith(_ESCAPED_PREFIX):
        return name
    parts: list[str] = []
    position = len(_ESCAPED_PREFIX)
    for match in _ESCAPE.finditer(name, position):
        parts.append(name[position : match.start()])
        position = match.end()
        digits: str | None = match[1]
        if digits is not None:
            code = int(digits, 16)
            if code > _LARGEST_CODE_POINT or code in _SURROGATES:
                return name
            parts.append(chr(code))
        elif match[0] == "__":
            parts.append("_")
        else:
            return name
    return "".join(parts) + name[position:]


def _cut(items: Sequence[ItemT], limit: int | None) -> tuple[Sequence[ItemT], Sequence[str]]:
    most = min(limit or _MOST_ITEMS, _MOST_ITEMS)
    if len(items) <= most:
        return items, ()
    return items[:most], (TRUNCATED,)


def _period(params: Params) -> tuple[int, int]:
    latest = params.now_ms() + round(_FAR_AHEAD / timedelta(milliseconds=1))
    return (
        params.time_ms("start", default_ms=_EPOCH_MS),
        params.time_ms("end", default_ms=latest),
    )
