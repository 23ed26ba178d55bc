"""Whether there is anything for a rule to look at: no data is neither zero nor an error."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from resumatch_monitor.kit.durations import format_duration
from resumatch_monitor.promql import ast
from resumatch_monitor.promql.finding import render_selector
from resumatch_monitor.promql.parse import FEATURES, parse
from resumatch_monitor.promql.runner import Querier
from resumatch_monitor.promql.value import InstantVector, QueryError

_LOOKBACK = timedelta(minutes=5)
_LONGEST_RANGE = timedelta(hours=1)
"""A selector over a longer range counts as gone when it is gone for so long."""
_BEFORE = "1d"
"""How far back a series may lie that was there before."""
_MOST_KNOWN = 20_000
_FILTERS = ("unless", "and")


class DataState(StrEnum):
    """What there is of the series that a rule reads.

    Attributes:
        UNKNOWN: It was not looked for yet, or could not be.
        PRESENT: At least one of its selectors finds something.
        VANISHED: None does, and one did within the last day.
        NEVER: None does, and none did.
    """

    UNKNOWN = "unknown"
    PRESENT = "present"
    VANISHED = "vanished"
    NEVER = "never"


class DataFinder:
    """Looks for the series that expressions read; remembers which were there."""

    def __init__(self, querier: Querier) -> None:
        self._querier = querier
        self._was_there: OrderedDict[str, bool] = OrderedDict()

    async def find(self, expr: str, at: datetime) -> DataState:
        """Return what there is at `at` of the series that `expr` reads.

        What is inside of `absent()`, or taken away by `unless`, need not be there; and what comes
        after `and` lets pass what is before it, and says nothing of whether that is there. It
        counts where nothing else is read: `hour() > 8 and up == 0`.
        """
        try:
            node = parse(expr, features=FEATURES)
            selectors = _collect(_walk(node, _FILTERS)) or find_needed(node)
            if not selectors:
                return DataState.PRESENT
            for selector, looked_back in selectors.items():
                if await self._is_there(selector, looked_back, at):
                    self._remember(selector, was_there=True)
                    return DataState.PRESENT
            before = [await self._was_before(each, at) for each in selectors]
        except QueryError:
            return DataState.UNKNOWN
        return DataState.VANISHED if any(before) else DataState.NEVER

    async def _is_there(self, selector: str, looked_back: timedelta, at: datetime) -> bool:
        if looked_back <= _LOOKBACK:
            return await self._has_result(f"group({selector})", at)
        span = format_duration(min(looked_back, _LONGEST_RANGE))
        return await self._has_result(f"group(present_over_time({selector}[{span}]))", at)

    async def _was_before(self, selector: str, at: datetime) -> bool:
        if selector not in self._was_there:
            query = f"group(present_over_time({selector}[{_BEFORE}]))"
            self._remember(selector, was_there=await self._has_result(query, at))
        return self._was_there[selector]

    async def _has_result(self, query: str, at: datetime) -> bool:
        value = await self._querier.instant(query, at)
        return isinstance(value, InstantVector) and len(value.labels) > 0

    def _remember(self, selector: str, *, was_there: bool) -> None:
        self._was_there[selector] = was_there
        self._was_there.move_to_end(selector)
        if len(self._was_there) > _MOST_KNOWN:
            self._was_there.popitem(last=False)


def find_needed(node: ast.Expr) -> dict[str, timedelta]:
    """Return the selectors in `node` that must find something, and how far each looks back."""
    return _collect(_walk(node, ("unless",)))


def _collect(selectors: Iterable[tuple[ast.VectorSelector, int]]) -> dict[str, timedelta]:
    found: dict[str, timedelta] = {}
    for selector, range_ms in selectors:
        text = render_selector(selector.matchers)
        looked_back = max(timedelta(milliseconds=range_ms), _LOOKBACK)
        found[text] = max(looked_back, found.get(text, _LOOKBACK))
    return found


def _walk(node: ast.Expr, filters: Sequence[str]) -> Iterator[tuple[ast.VectorSelector, int]]:
    """Yield selectors with their ranges, except those to the right of one of `filters`."""
    match node:
        case ast.VectorSelector():
            yield node, 0
        case ast.MatrixSelector():
            yield node.selector, node.range_ms
        case ast.Subquery() | ast.Negation():
            yield from _walk(node.expr, filters)
        case ast.Call(function, args) if not function.startswith("absent"):
            for argument in args:
                yield from _walk(argument, filters)
        case ast.Aggregation():
            yield from _walk(node.expr, filters)
        case ast.Binary():
            yield from _walk(node.lhs, filters)
            if node.operator not in filters:
                yield from _walk(node.rhs, filters)
        case _:
            return
