"""How good rules are: what was real, what was noise, and what nobody was told of."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from resumatch_monitor.api.errors import BadRequestError, NotFoundError
from resumatch_monitor.api.guard import Guard, Principal
from resumatch_monitor.api.paging import DEFAULT_LIMIT, BadCursorError, Cursor, Limit, parse_number
from resumatch_monitor.api.timerange import parse_time
from resumatch_monitor.dispatch.handling.actions import LONGEST_NAME, LONGEST_TEXT
from resumatch_monitor.dispatch.handling.quality import MissedIncident, Quality, QualityStore
from resumatch_monitor.kit.clock import Clock, from_milliseconds, isoformat, to_milliseconds
from resumatch_monitor.kit.ids import Ids

_MOST_NAMES = 500
_DEFAULT_WINDOW = timedelta(days=30)


class MissedBody(BaseModel):
    """An incident that no rule caught."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    title: str = Field(min_length=1, max_length=300)
    name: str = Field(default="", max_length=LONGEST_NAME)
    starts_at: str = Field(max_length=64)
    ends_at: str = Field(max_length=64)
    text: str = Field(default="", max_length=LONGEST_TEXT)


def add_quality_routes(
    router: APIRouter, *, store: QualityStore, clock: Clock, ids: Ids, guard: Guard
) -> None:
    """Add the figures of rules, which viewers read, and what was missed, which editors record."""

    @router.get("/quality")
    async def measure(
        since: Annotated[str | None, Query(max_length=64)] = None,
    ) -> dict[str, Any]:
        start = clock.now() - _DEFAULT_WINDOW
        if since is not None:
            start = from_milliseconds(parse_time(since, clock=clock, name="since"))
        found = await store.measure(start, limit=_MOST_NAMES)
        return {"since": isoformat(start), "items": [_render_quality(each) for each in found]}

    @router.get("/missed")
    async def list_missed(
        name: Annotated[str | None, Query(max_length=LONGEST_NAME)] = None,
        cursor: Cursor = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> dict[str, Any]:
        found = await store.list_missed(name=name, after=_parse_cursor(cursor), limit=limit + 1)
        last = found[limit - 1] if len(found) > limit else None
        return {
            "items": [_render(each) for each in found[:limit]],
            "next_cursor": last and f"{to_milliseconds(last.starts_at)}-{last.id}",
        }

    @router.post("/missed", status_code=HTTPStatus.CREATED)
    async def record(
        body: MissedBody, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> dict[str, Any]:
        now = clock.now()
        starts_at = from_milliseconds(parse_time(body.starts_at, clock=clock, name="starts_at"))
        ends_at = from_milliseconds(parse_time(body.ends_at, clock=clock, name="ends_at"))
        if not starts_at <= ends_at <= now:
            raise BadRequestError("It ends after it starts, and before now.")
        incident = MissedIncident(
            id=ids.uuid(),
            title=body.title.strip(),
            name=body.name.strip(),
            starts_at=starts_at,
            ends_at=ends_at,
            text=body.text.strip(),
            created_at=from_milliseconds(to_milliseconds(now)),
            created_by=principal.name,
        )
        await store.add_missed(incident)
        return _render(incident)

    @router.delete(
        "/missed/{incident_id}",
        status_code=HTTPStatus.NO_CONTENT,
        dependencies=[Depends(guard.editor)],
    )
    async def remove(incident_id: str) -> Response:
        if not await store.remove_missed(incident_id):
            raise NotFoundError("There is no such incident.")
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _parse_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    if not cursor:
        return None
    at_text, _, last_id = cursor.partition("-")
    at_ms = parse_number(at_text)
    if at_ms is None or not last_id:
        raise BadCursorError
    try:
        return from_milliseconds(at_ms), last_id
    except (OverflowError, OSError, ValueError):
        raise BadCursorError from None


def _render(incident: MissedIncident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "title": incident.title,
        "name": incident.name or None,
        "starts_at": isoformat(incident.starts_at),
        "ends_at": isoformat(incident.ends_at),
        "text": incident.text or None,
        "created_at": isoformat(incident.created_at),
        "created_by": incident.created_by,
    }


def _render_quality(quality: Quality) -> dict[str, Any]:
    judged = quality.real + quality.noise
    return {
        "name": quality.name or None,
        "occurrences": quality.occurrences,
        "acknowledged": quality.acknowledged,
        "real": quality.real,
        "noise": quality.noise,
        "missed": quality.missed,
        "noise_ratio": quality.noise / judged if judged else None,
    }
