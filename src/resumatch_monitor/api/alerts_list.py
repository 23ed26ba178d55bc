"""Lists of alerts: what fires, what is held back and why, what is over; also by groups."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from resumatch_monitor.api.alerts_order import Place, SortName, rank_severity, sort_alerts
from resumatch_monitor.api.alerts_render import StandingAlert, Standings
from resumatch_monitor.api.alerts_wanted import LIVE_STATES, Wanted
from resumatch_monitor.api.paging import DEFAULT_LIMIT, Cursor, Limit
from resumatch_monitor.dispatch.handling.handled import AlertState, HandledReader
from resumatch_monitor.dispatch.reading import PageMark
from resumatch_monitor.kit.clock import isoformat

MOST_LIVE = 20_000
"""Alerts that are not over and that a list holds; some of more are left out, and said so."""

_SCAN_SIZE = 500
_TURN_SIZE = 1_000
_MOST_SCANNED = 10_000
"""Alerts that are over and that one page looks at when few of them match."""
_MOST_GROUPS = 500
_MOST_VALUES = 20


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
        page = await lister.build_page(wanted, sort, Place.parse(cursor), limit)
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
        self, wanted: Wanted, sort: SortName, place: Place, limit: int
    ) -> dict[str, Any]:
        """Return a page: first what is not over, as sorted, then what is, newest first."""
        items: list[StandingAlert] = []
        counts: dict[str, int] | None = None
        is_cut, following = False, None
        if not place.is_over and wanted.states & LIVE_STATES:
            live, is_cut = await self.list_live(wanted)
            counts = _count(live)
            chosen = sort_alerts([each for each in live if each.state in wanted.states], sort)
            rest = [each for each in chosen if place.is_before(each, sort)]
            items, has_more = rest[:limit], len(rest) > limit
            following = Place.render_key(items[-1], sort) if has_more else None
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
        live = [each.alert.fingerprint for each in items if each.state in LIVE_STATES]
        told = await self._reader.list_notified(live)
        return [
            replace(each, notified_at=told.get(each.alert.fingerprint))
            if each.state in LIVE_STATES
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
                    return found, Place.render_mark(mark)
                found.append(standing)
                mark = row.record.mark
            if len(rows) < size:
                return found, None
            scanned += len(rows)
        # Few match: the page is not full, and the next one looks further.
        return found, Place.render_mark(mark)


def _count(live: Iterable[StandingAlert]) -> dict[str, int]:
    counts = {state.value: 0 for state in AlertState if state in LIVE_STATES}
    for each in live:
        counts[each.state.value] += 1
    return counts


def _group(live: Iterable[StandingAlert], by: str) -> list[dict[str, Any]]:
    groups: dict[str, list[StandingAlert]] = {}
    for each in live:
        groups.setdefault(each.alert.labels.value(by), []).append(each)
    rendered = [_render_group(value, members) for value, members in groups.items()]
    rendered.sort(
        key=lambda group: (rank_severity(group["severity"]), -group["count"], group["value"])
    )
    return rendered


def _render_group(value: str, members: Sequence[StandingAlert]) -> dict[str, Any]:
    oldest: datetime = min(each.alert.starts_at for each in members)
    return {
        "value": value,
        "count": len(members),
        "severity": min((each.alert.severity for each in members), key=rank_severity),
        "oldest_at": isoformat(oldest),
        "states": {state: count for state, count in _count(members).items() if count},
        "names": sorted({each.alert.name for each in members})[:_MOST_VALUES],
    }
