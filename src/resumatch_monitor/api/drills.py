"""Drills: begun, looked at, acknowledged, and which alerts were never tried."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from resumatch_monitor.accounts.model import Principal
from resumatch_monitor.api.errors import ApiError, BadRequestError, NotFoundError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.paging import DEFAULT_LIMIT, BadCursorError, Cursor, Limit, parse_number
from resumatch_monitor.kit.clock import (
    from_milliseconds,
    isoformat,
    isoformat_or_none,
    to_milliseconds,
)
from resumatch_monitor.rules.drill.model import DrillRecord, Target
from resumatch_monitor.rules.drill.service import (
    Drills,
    DrillsBusyError,
    NoSuchDrillError,
    TooLongError,
    UnknownAlertError,
)
from resumatch_monitor.rules.drill.store import DrillStore

_LONGEST_NAME = 1_000


class DrillBody(BaseModel):
    """Which alert, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    alert: str = Field(min_length=1, max_length=_LONGEST_NAME)
    page: bool = False
    real_time: bool = False


def build_router(*, drills: Drills, store: DrillStore, guard: Guard) -> APIRouter:
    """Return the routes under `/api/monitor/drills`."""
    router = APIRouter(prefix="/api/monitor/drills", dependencies=[Depends(guard.viewer)])

    @router.post("", status_code=HTTPStatus.ACCEPTED)
    async def start(
        body: DrillBody, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> dict[str, Any]:
        try:
            records = await drills.start(
                body.alert, by=principal.name, pages=body.page, is_real_time=body.real_time
            )
        except UnknownAlertError as error:
            raise NotFoundError(f"There is no alerting rule {body.alert[:100]!r}.") from error
        except TooLongError as error:
            raise BadRequestError(
                f"The rule {str(error)[:100]!r} has to hold for more than an hour: try it without"
                " real_time, on the shadow clock.",
                code="too_long",
            ) from error
        except DrillsBusyError as error:
            raise ApiError(
                HTTPStatus.CONFLICT, "busy", "Drills are under way; wait until they are over."
            ) from error
        return {"items": [render_drill(record) for record in records]}

    @router.get("")
    async def list_drills(
        alert: Annotated[str | None, Query(max_length=_LONGEST_NAME)] = None,
        cursor: Cursor = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> dict[str, Any]:
        found = await store.list_drills(alert=alert, before=_parse_cursor(cursor), limit=limit + 1)
        page = found[:limit]
        last = page[-1] if len(found) > limit else None
        return {
            "items": [render_drill(record) for record in page],
            "next_cursor": last and f"{to_milliseconds(last.started_at)}-{last.id}",
        }

    @router.get("/coverage")
    async def coverage() -> dict[str, Any]:
        latest = await store.latest()
        items = [
            {
                "alert": name,
                "group": target.group.name if isinstance(target, Target) else None,
                "file": target.group.file if isinstance(target, Target) else None,
                "last": (record := latest.get(name)) and render_drill(record),
            }
            for name, target in drills.list_targets()
        ]
        names = {name for name, _ in drills.list_targets()}
        passed = {name for name in names if name in latest and latest[name].is_passed}
        return {
            "items": items,
            "alerts": len(names),
            "passed": len(passed),
            "failed": len({name for name in names if name in latest} - passed),
            "never": len(names - latest.keys()),
        }

    @router.get("/{drill_id}")
    async def get_drill(drill_id: str) -> dict[str, Any]:
        try:
            return render_drill(await drills.get(drill_id))
        except NoSuchDrillError as error:
            raise _not_found(drill_id) from error

    @router.post("/{drill_id}/acknowledge")
    async def acknowledge(
        drill_id: str, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> dict[str, Any]:
        try:
            return render_drill(await drills.acknowledge(drill_id, by=principal.name))
        except NoSuchDrillError as error:
            raise _not_found(drill_id) from error

    return router


def render_drill(record: DrillRecord) -> dict[str, Any]:
    """Render a drill; `report` grows until it is finished."""
    return {
        "id": record.id,
        "alert": record.alert,
        "started_at": isoformat(record.started_at),
        "started_by": record.started_by,
        "finished_at": isoformat_or_none(record.finished_at),
        "is_passed": record.is_passed,
        "report": dict(record.report),
    }


def _not_found(drill_id: str) -> NotFoundError:
    return NotFoundError(f"There is no drill {drill_id[:100]!r}.")


def _parse_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    if not cursor:
        return None
    milliseconds, _, drill_id = cursor.partition("-")
    number = parse_number(milliseconds)
    if number is None or number > 10**14 or not drill_id:
        raise BadCursorError
    return from_milliseconds(number), drill_id
