"""Lists of alerts: what fires, what is held back and why, what is over; also by groups."""

import asyncio
import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Query

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.api.alerts_actions import parse_all
from resumatch_monitor.api.alerts_render import StandingAlert, Standings
from resumatch_monitor.api.errors import BadRequestError
from resumatch_monitor.api.paging import (
    DEFAULT_LIMIT,
    BadCursorError,
    Cursor,
    Limit,
    parse_number,
)
from resumatch_monitor.dispatch.handling.handled import (
    AlertFilter,
    AlertState,
    HandledReader,
)
from resumatch_monitor.dispatch.handling.handling import Handling
from resumatch_monitor.dispatch.matchers import match_all
from resumatch_monitor.dispatch.reading import PageMark
from resumatch_monitor.kit.clock import from_milliseconds, isoformat, to_milliseconds
from resumatch_monitor.metrics.labels import Matcher

MOST_LIVE = 20_000
"""Alerts that are not over and that a list holds; some of more are left out, and said so."""

_SCAN_SIZE = 500
_TURN_SIZE = 1_000
_MOST_SCANNED = 10_000
"""Alerts that are over and that one page looks at when few of them match."""
_MOST_GROUPS = 500
_LONGEST_MATCHER = 1_000
_MOST_VALUES = 20
_SEVERITY_RANKS = {"critical": 0, "warning": 1, "info": 2}
_LIVE_STATES = frozenset(AlertState) - {AlertState.RESOLVED}

StatusName = Literal["firing", "pending", "resolved"]
SortName = Literal["newest", "oldest", "severity", "name"]
_Text = Annotated[str, Query(max_length=200)]
_Texts = Annotated[list[str] | None, Query(max_length=_MOST_VALUES)]

_SORT_KEYS: dict[str, Callable[[StandingAlert], tuple[Any, ...]]] = {
    "newest": lambda each: (-to_milliseconds(each.alert.starts_at),),
    "oldest": lambda each: (to_milliseconds(each.alert.starts_at),),
    "severity": lambda each: (
        _rank(each.alert.severity),
        -to_milliseconds(each.alert.starts_at),
    ),
    "name": lambda each: (each.alert.name, -to_milliseconds(each.alert.starts_at)),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts a list holds; an empty field means all."""

    states: frozenset[AlertState]
    where: AlertFilter
    matchers: Sequence[Matcher]
    text: str
    assignee: str | None

    @classmethod
    def parse(
        cls,
        state: _Texts = None,
        status: StatusName | None = None,
        severity: _Texts = None,
        source: _Texts = None,
        name: _Texts = None,
        text: _Text = "",
        matcher: _Texts = None,
        assignee: Annotated[str | None, Query(max_length=254)] = None,
    ) -> "Wanted":
        """Read the parameters; those that are lists may be repeated or hold commas.

        Raises:
            BadRequestError: For a state or a matcher that there is not.
        """
        where = AlertFilter(tuple(_split(severity)), tuple(_split(source)), tuple(name or ()))
        if any(len(each) > _LONGEST_MATCHER for each in matcher or ()):
            raise BadRequestError(
                f"A matcher has at most {_LONGEST_MATCHER} characters.", code="bad_matcher"
            )
        matchers = parse_all(matcher or ())
        return cls(_parse_states(state, status), where, matchers, text.strip().lower(), assignee)

    def selects(self, alert: Alert) -> bool:
        """Tell whether the list holds `alert`, whatever its state and whoever has it."""
        where = self.where
        return (
            (not where.severities or alert.severity in where.severities)
            and (not where.sources or alert.source.value in where.sources)
            and (not where.names or alert.name in where.names)
            and (not self.matchers or match_all(self.matchers, alert.labels))
            and (not self.text or self._is_mentioned_in(alert))
        )

    def is_assigned(self, handling: Handling | None) -> bool:
        """Tell whether it is the one whose alerts are wanted who has this one."""
        if self.assignee is None:
            return True
        return (handling.assignee if handling is not None else "") == self.assignee

    def _is_mentioned_in(self, alert: Alert) -> bool:
        texts = (alert.name, *alert.labels.mapping.values(), *alert.annotations.values())
        return any(self.text in text.lower() for text in texts)


def add_list_routes(
    router: APIRouter,
    *,
    reader: HandledReader,
    standings: Standings,
    has_channel: Callable[[], bool],
) -> None:
    """Add the lists that viewers read."""
    lister = _Lister(reader, standings)

    @router.get("")
    async def list_alerts(
        wanted: Annotated[Wanted, Depends(Wanted.parse)],
        sort: SortName = "newest",
        cursor: Cursor = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> dict[str, Any]:
        page = await lister.build_page(wanted, sort, _Place.parse(cursor), limit)
        return {**page, "has_channel": has_channel()}

    @router.get("/groups")
    async def list_groups(
        wanted: Annotated[Wanted, Depends(Wanted.parse)],
        by: Annotated[str, Query(min_length=1, max_length=200)] = "alertname",
    ) -> dict[str, Any]:
        live, is_cut = await lister.list_live(wanted)
        chosen = [each for each in live if each.state in wanted.states]
        groups = _group(chosen, by)
        return {
            "by": by,
            "items": groups[:_MOST_GROUPS],
            "total": len(groups),
            "is_cut": is_cut or len(groups) > _MOST_GROUPS,
        }


class _Lister:
    """Joins what is pending, what fires and what is over into one list."""

    def __init__(self, reader: HandledReader, standings: Standings) -> None:
        self._reader = reader
        self._standings = standings

    async def build_page(
        self, wanted: Wanted, sort: SortName, place: "_Place", limit: int
    ) -> dict[str, Any]:
        """Return a page: first what is not over, as sorted, then what is, newest first."""
        items: list[StandingAlert] = []
        counts: dict[str, int] | None = None
        is_cut, following = False, None
        if not place.is_over and wanted.states & _LIVE_STATES:
            live, is_cut = await self.list_live(wanted)
            counts = _count(live)
            chosen = _sort([each for each in live if each.state in wanted.states], sort)
            rest = [each for each in chosen if place.is_before(each, sort)]
            items, has_more = rest[:limit], len(rest) > limit
            following = _Place.render_key(items[-1], sort) if has_more else None
        if following is None and AlertState.RESOLVED in wanted.states:
            over, following = await self._list_over(wanted, place.mark, limit - len(items))
            items.extend(over)
        return {
            "items": [self._standings.render(each) for each in await self._complete(items)],
            "next_cursor": following,
            "counts": counts,
            "is_cut": is_cut,
        }

    async def list_live(self, wanted: Wanted) -> tuple[list[StandingAlert], bool]:
        """Return what is not over in any state, and whether that is not all."""
        pending = [each for each in self._standings.list_pending() if wanted.selects(each.alert)]
        live = [each for each in pending if wanted.is_assigned(each.handling)]
        # A copy: others have their turn while a storm is looked through.
        firing = list(self._standings.firing)
        for start in range(0, len(firing), _TURN_SIZE):
            chosen = [each for each in firing[start : start + _TURN_SIZE] if wanted.selects(each)]
            standing = self._standings.judge_firing(chosen)
            live.extend(each for each in standing if wanted.is_assigned(each.handling))
            await asyncio.sleep(0)
        return live[:MOST_LIVE], len(live) > MOST_LIVE

    async def _complete(self, items: Sequence[StandingAlert]) -> list[StandingAlert]:
        """Add when the alerts of a page were last told, which memory does not know."""
        live = [each.alert.fingerprint for each in items if each.state in _LIVE_STATES]
        told = await self._reader.list_notified(live)
        return [
            replace(each, notified_at=told.get(each.alert.fingerprint))
            if each.state in _LIVE_STATES
            else each
            for each in items
        ]

    async def _list_over(
        self, wanted: Wanted, mark: PageMark | None, room: int
    ) -> tuple[list[StandingAlert], str | None]:
        found: list[StandingAlert] = []
        scanned = 0
        while scanned < _MOST_SCANNED:
            size = min(_SCAN_SIZE, max(room - len(found) + 1, 1))
            rows = await self._reader.list_over(wanted.where, after=mark, limit=size)
            for row in rows:
                standing = self._standings.judge(row)
                if not (wanted.selects(standing.alert) and wanted.is_assigned(row.handling)):
                    mark = row.record.mark
                    continue
                if len(found) == room:
                    return found, _Place.render_mark(mark)
                found.append(standing)
                mark = row.record.mark
            if len(rows) < size:
                return found, None
            scanned += len(rows)
        # Few match: the page is not full, and the next one looks further.
        return found, _Place.render_mark(mark)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page begins: after an alert that is not over, or after one that is.

    Attributes:
        key: What the last alert of the page before is sorted by.
        is_over: The list has come to what is over.
        mark: The last of those of the page before; None at the first.
    """

    key: tuple[Any, ...] | None = None
    is_over: bool = False
    mark: PageMark | None = None

    def is_before(self, each: StandingAlert, sort: SortName) -> bool:
        if self.key is None:
            return True
        key = _sort_key(each, sort)
        if [type(part) for part in key] != [type(part) for part in self.key]:
            raise BadCursorError
        return key > self.key

    @classmethod
    def parse(cls, text: str | None) -> "_Place":
        if not text:
            return cls()
        if text == "s":
            return cls(is_over=True)
        if text[0] == "l":
            return cls(key=_parse_key(text[1:]))
        numbers = [parse_number(part) for part in text[1:].split("-")]
        match text[0], numbers:
            case "s", [int(at_ms), int(last_id)]:
                with suppress(OverflowError, OSError, ValueError):
                    mark = PageMark(from_milliseconds(at_ms), last_id)
                    return cls(is_over=True, mark=mark)
            case _:
                pass
        raise BadCursorError

    @staticmethod
    def render_key(last: StandingAlert, sort: SortName) -> str:
        text = base64.urlsafe_b64encode(orjson.dumps(_sort_key(last, sort)))
        return "l" + text.decode().rstrip("=")

    @staticmethod
    def render_mark(mark: PageMark | None) -> str:
        return "s" if mark is None else f"s{to_milliseconds(mark.at)}-{mark.id}"


def _parse_key(text: str) -> tuple[Any, ...]:
    try:
        found = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        raise BadCursorError from None
    if not isinstance(found, list):
        raise BadCursorError
    return tuple(found)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _sort_key(each: StandingAlert, sort: SortName) -> tuple[Any, ...]:
    return (*_SORT_KEYS[sort](each), each.alert.fingerprint)


def _sort(live: Sequence[StandingAlert], sort: SortName) -> list[StandingAlert]:
    return sorted(live, key=lambda each: _sort_key(each, sort))


def _rank(severity: str) -> int:
    return _SEVERITY_RANKS.get(severity, 1)


def _split(values: Sequence[str] | None) -> list[str]:
    return [part for value in values or () for part in value.split(",") if part]


def _parse_states(state: Sequence[str] | None, status: StatusName | None) -> frozenset[AlertState]:
    names = _split(state)
    try:
        states = frozenset(AlertState(name) for name in names) or frozenset(AlertState)
    except ValueError:
        known = ", ".join(AlertState)
        raise BadRequestError(f"state: one or several of {known}", code="bad_state") from None
    if status == "firing":
        return states & (_LIVE_STATES - {AlertState.PENDING})
    return states if status is None else states & {AlertState(status)}


def _count(live: Iterable[StandingAlert]) -> dict[str, int]:
    counts = {state.value: 0 for state in AlertState if state in _LIVE_STATES}
    for each in live:
        counts[each.state.value] += 1
    return counts


def _group(live: Iterable[StandingAlert], by: str) -> list[dict[str, Any]]:
    groups: dict[str, list[StandingAlert]] = {}
    for each in live:
        groups.setdefault(each.alert.labels.value(by), []).append(each)
    rendered = [_render_group(value, members) for value, members in groups.items()]
    rendered.sort(key=lambda group: (_rank(group["severity"]), -group["count"], group["value"]))
    return rendered


def _render_group(value: str, members: Sequence[StandingAlert]) -> dict[str, Any]:
    oldest: datetime = min(each.alert.starts_at for each in members)
    return {
        "value": value,
        "count": len(members),
        "severity": min((each.alert.severity for each in members), key=_rank),
        "oldest_at": isoformat(oldest),
        "states": {state: count for state, count in _count(members).items() if count},
        "names": sorted({each.alert.name for each in members})[:_MOST_VALUES],
    }
