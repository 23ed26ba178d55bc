"""Silences: listed, made, changed, ended, and tried before they are made."""

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.api.alerts_actions import parse_all
from resumatch_monitor.api.alerts_render import render_alert_briefly
from resumatch_monitor.api.errors import BadRequestError, NotFoundError
from resumatch_monitor.api.guard import Guard, Principal
from resumatch_monitor.api.paging import DEFAULT_LIMIT, Cursor, Limit, parse_cursor
from resumatch_monitor.api.timerange import parse_time
from resumatch_monitor.dispatch.matchers import match_all, render_matchers
from resumatch_monitor.dispatch.muting.silence import (
    MOST_MATCHERS,
    InvalidSilenceError,
    Silence,
    SilenceDraft,
    SilenceNotFoundError,
    SilenceState,
    check_matchers,
)
from resumatch_monitor.dispatch.muting.silences import Silences
from resumatch_monitor.dispatch.occurrences.firing import FiringAlerts
from resumatch_monitor.kit.clock import Clock, from_milliseconds, isoformat, isoformat_or_none
from resumatch_monitor.kit.durations import parse_duration
from resumatch_monitor.metrics.labels import Labels

_MOST_SHOWN = 50
_LONGEST_MATCHER = 2_048

StateName = Literal["active", "pending", "expired"]
Matchers = Annotated[
    list[Annotated[str, Field(max_length=_LONGEST_MATCHER)]],
    Field(min_length=1, max_length=MOST_MATCHERS),
]
Moment = Annotated[str, Field(max_length=64)]


class PreviewBody(BaseModel):
    """What would be held back."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    matchers: Matchers


class SilenceBody(PreviewBody):
    """A silence as somebody wants it."""

    comment: str = ""
    starts_at: Moment = "now"
    ends_at: Moment | None = None
    duration: Moment | None = None


def build_router(
    *,
    silences: Silences,
    firing: FiringAlerts,
    receivers: Callable[[Labels], Sequence[str]],
    clock: Clock,
    guard: Guard,
) -> APIRouter:
    """Return the routes under `/api/monitor/silences`.

    Args:
        silences: All of them.
        firing: What fires.
        receivers: Who hears of an alert with these labels.
        clock: What the time is.
        guard: Lets viewers read and editors change.
    """
    router = APIRouter(prefix="/api/monitor/silences", dependencies=[Depends(guard.viewer)])

    def render_alerts(alerts: Sequence[Alert]) -> list[dict[str, Any]]:
        return [
            render_alert_briefly(each, receivers=receivers(each.labels))
            for each in alerts[:_MOST_SHOWN]
        ]

    async def render_one(silence: Silence) -> dict[str, Any]:
        found = list(firing.find(silence.matchers))
        return _render(silence, Counter({silence.id: len(found)}), clock.now())

    @router.get("")
    async def list_silences(
        state: StateName | None = None,
        text: Annotated[str, Query(max_length=200)] = "",
        alert: Annotated[str | None, Query(pattern="^[0-9a-f]{16}$")] = None,
        cursor: Cursor = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> dict[str, Any]:
        start, now = parse_cursor(cursor) or 0, clock.now()
        matched = None if alert is None else firing.get(alert)
        found = [
            each
            for each in silences.list_silences()
            if _has_text(each, text)
            and (
                alert is None or (matched is not None and match_all(each.matchers, matched.labels))
            )
        ]
        counts = Counter(each.state(now).value for each in found)
        if state is not None:
            found = [each for each in found if each.state(now).value == state]
        page = found[start : start + limit]
        held = await silences.count_matching(firing) if page else Counter[str]()
        return {
            "items": [_render(each, held, now) for each in page],
            "next_cursor": str(start + limit) if start + limit < len(found) else None,
            "counts": {each.value: counts[each.value] for each in SilenceState},
        }

    @router.post("/preview")
    async def preview(body: PreviewBody) -> dict[str, Any]:
        matchers = tuple(parse_all(body.matchers))
        with _translated():
            check_matchers(matchers)
        found = list(firing.find(matchers))
        return {
            "count": len(found),
            "silenced": sum(bool(silences.silences_of(each.labels)) for each in found),
            "firing": len(firing),
            "alerts": render_alerts(found),
        }

    @router.get("/{silence_id}")
    async def get_silence(silence_id: str) -> dict[str, Any]:
        with _translated():
            silence = silences.get(silence_id)
        is_over = silence.state(clock.now()) is SilenceState.EXPIRED
        held = [] if is_over else list(firing.find(silence.matchers))
        return {**await render_one(silence), "held": render_alerts(held)}

    @router.post("", status_code=HTTPStatus.CREATED)
    async def make_silence(
        body: SilenceBody, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> dict[str, Any]:
        draft = _to_draft(body, principal, clock)
        with _translated():
            return await render_one(await silences.set(draft))

    @router.put("/{silence_id}")
    async def change_silence(
        silence_id: str,
        body: SilenceBody,
        principal: Annotated[Principal, Depends(guard.editor)],
    ) -> dict[str, Any]:
        draft = _to_draft(body, principal, clock, of=silence_id)
        with _translated():
            return await render_one(await silences.set(draft))

    @router.delete("/{silence_id}")
    async def expire_silence(
        silence_id: str, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> Response:
        with _translated():
            await silences.expire(silence_id, by=principal.name)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return router


@contextmanager
def _translated() -> Generator[None]:
    """Turn errors of silences into answers."""
    try:
        yield
    except InvalidSilenceError as error:
        message = str(error)
        raise BadRequestError(f"{message[:1].upper()}{message[1:]}.", code="invalid") from None
    except SilenceNotFoundError:
        raise NotFoundError("There is no such silence.") from None


def _to_draft(body: SilenceBody, principal: Principal, clock: Clock, of: str = "") -> SilenceDraft:
    starts_at = _parse_moment(body.starts_at, clock, "starts_at")
    if (body.ends_at is None) == (body.duration is None):
        raise BadRequestError("Say until when: either ends_at or duration.")
    if body.ends_at is not None:
        ends_at = _parse_moment(body.ends_at, clock, "ends_at")
    else:
        try:
            # From now on, if it has begun already.
            ends_at = max(starts_at, clock.now()) + parse_duration(body.duration or "")
        except ValueError as error:
            raise BadRequestError(f"duration: {error}") from None
        except OverflowError:
            raise BadRequestError("duration: longer than there is time") from None
    return SilenceDraft(
        matchers=tuple(parse_all(body.matchers)),
        starts_at=starts_at,
        ends_at=ends_at,
        created_by=principal.name,
        comment=body.comment,
        id=of,
    )


def _parse_moment(text: str, clock: Clock, name: str) -> datetime:
    return from_milliseconds(parse_time(text, clock=clock, name=name))


def _has_text(silence: Silence, text: str) -> bool:
    if not text:
        return True
    haystack = f"{silence.comment}\n{silence.created_by}\n{render_matchers(silence.matchers)}"
    return text.lower() in haystack.lower()


def _render(silence: Silence, held: Counter[str], now: datetime) -> dict[str, Any]:
    state = silence.state(now)
    return {
        "id": silence.id,
        "state": state.value,
        "matchers": [
            {"name": each.name, "op": each.op.value, "value": each.value}
            for each in silence.matchers
        ],
        "text": render_matchers(silence.matchers),
        "starts_at": isoformat(silence.starts_at),
        "ends_at": isoformat(silence.ends_at),
        "created_by": silence.created_by,
        "comment": silence.comment,
        "created_at": isoformat(silence.created_at),
        "updated_at": isoformat(silence.updated_at),
        "ended_by": silence.ended_by or None,
        "warned_at": isoformat_or_none(silence.warned_at),
        "alerts": None if state is SilenceState.EXPIRED else held[silence.id],
    }
