"""What people do about alerts: one, many at once, or all that match."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.api.alerts_render import render_handling
from resumatch_monitor.api.errors import ApiError, BadRequestError, NotFoundError
from resumatch_monitor.api.guard import Guard, Principal
from resumatch_monitor.api.timerange import parse_time
from resumatch_monitor.dispatch.handling.actions import (
    LONGEST_NAME,
    LONGEST_TEXT,
    Action,
    ActionKind,
    Actor,
    Via,
)
from resumatch_monitor.dispatch.handling.handling import Outcome
from resumatch_monitor.dispatch.handling.handlings import MOST_REQUESTS, Handlings, Request, Result
from resumatch_monitor.dispatch.matchers import match_all, parse_matchers
from resumatch_monitor.kit.clock import Clock, from_milliseconds
from resumatch_monitor.kit.durations import parse_duration
from resumatch_monitor.metrics.labels import Matcher

_MOST_MATCHERS = 20
_LONGEST_MATCHER = 1_000
_PENDING = "It is pending: nobody was told of it, and there is nothing to handle before it fires."

Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Moment = Annotated[str, Field(max_length=64)]
ActionName = Literal[
    "acknowledge", "unacknowledge", "assign", "snooze", "unsnooze", "comment", "resolve"
]
OutcomeName = Literal["real", "noise"]


class _Body(BaseModel):
    """A request body; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class ActionBody(_Body):
    """What is to be done."""

    action: ActionName
    text: str = Field(default="", max_length=LONGEST_TEXT)
    assignee: str | None = Field(default=None, max_length=LONGEST_NAME)
    until: Moment | None = None
    duration: Moment | None = None


class OneBody(ActionBody):
    """What is to be done about one alert; the occurrence is the latest one if none is named."""

    starts_at: Moment | None = None


class BulkBody(ActionBody):
    """What is to be done about many alerts: those named, or all that fire and match."""

    fingerprints: list[Fingerprint] | None = Field(default=None, max_length=MOST_REQUESTS)
    matchers: list[Annotated[str, Field(max_length=_LONGEST_MATCHER)]] | None = Field(
        default=None, min_length=1, max_length=_MOST_MATCHERS
    )


class OutcomeBody(_Body):
    """What an occurrence turned out to be; None takes it back."""

    outcome: OutcomeName | None
    starts_at: Moment | None = None
    text: str = Field(default="", max_length=LONGEST_TEXT)


class Occurrence(_Body):
    """One firing of an alert; the latest one if no start is given."""

    fingerprint: Fingerprint
    starts_at: Moment | None = None


class OutcomesBody(_Body):
    """What several occurrences turned out to be."""

    outcome: OutcomeName | None
    occurrences: list[Occurrence] = Field(max_length=MOST_REQUESTS)
    text: str = Field(default="", max_length=LONGEST_TEXT)


def add_action_routes(
    router: APIRouter,
    *,
    handlings: Handlings,
    firing: Iterable[Alert],
    pending: Callable[[], Iterable[Alert]],
    clock: Clock,
    guard: Guard,
) -> None:
    """Add the routes with which editors act on alerts."""

    async def act(requests: Sequence[Request]) -> list[Result]:
        return _tell_pending(requests, await handlings.act(requests), pending)

    @router.post("/actions")
    async def act_on_many(
        body: BulkBody, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> dict[str, Any]:
        action, actor = _to_action(body, clock), _to_actor(principal)
        fingerprints = _find_targets(body, firing)
        requests = [Request(each, action, actor) for each in dict.fromkeys(fingerprints)]
        return _render_results(await act(requests))

    @router.put("/outcomes")
    async def judge_many(
        body: OutcomesBody, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> dict[str, Any]:
        action, actor = _to_judgement(body), _to_actor(principal)
        requests = [
            Request(
                each.fingerprint,
                action,
                actor,
                _parse_moment(each.starts_at, clock, f"occurrences.{index}.starts_at"),
            )
            for index, each in enumerate(body.occurrences)
        ]
        return _render_results(await handlings.act(requests))

    @router.post("/{fingerprint}/actions")
    async def act_on_one(
        fingerprint: str, body: OneBody, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> dict[str, Any]:
        action = _to_action(body, clock)
        starts_at = _parse_moment(body.starts_at, clock, "starts_at")
        request = Request(fingerprint, action, _to_actor(principal), starts_at)
        return _answer(await act([request]))

    @router.put("/{fingerprint}/outcome")
    async def judge(
        fingerprint: str, body: OutcomeBody, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> dict[str, Any]:
        starts_at = _parse_moment(body.starts_at, clock, "starts_at")
        request = Request(fingerprint, _to_judgement(body), _to_actor(principal), starts_at)
        return _answer(await handlings.act([request]))


def parse_all(texts: Sequence[str]) -> list[Matcher]:
    """Parse matchers, each text one or several.

    Raises:
        BadRequestError: If one is none; the message names the place.
    """
    try:
        return [matcher for text in texts for matcher in parse_matchers(text)]
    except ValueError as error:
        raise BadRequestError(str(error), code="bad_matcher") from None


def _to_actor(principal: Principal) -> Actor:
    return Actor(principal.name, Via.API if principal.user_id is None else Via.UI)


def _to_action(body: ActionBody, clock: Clock) -> Action:
    kind = ActionKind(body.action)
    text = body.text
    if kind is ActionKind.ASSIGN:
        if body.assignee is None:
            raise BadRequestError("Say to whom: assignee, empty for nobody.")
        text = body.assignee
    elif body.assignee is not None:
        raise BadRequestError("assignee goes with the action assign only.")
    return Action(kind, text, until=_find_end(body, kind, clock))


def _to_judgement(body: OutcomeBody | OutcomesBody) -> Action:
    outcome = None if body.outcome is None else Outcome(body.outcome)
    return Action(ActionKind.JUDGE, body.text, outcome=outcome)


def _find_end(body: ActionBody, kind: ActionKind, clock: Clock) -> datetime | None:
    if body.until is not None and body.duration is not None:
        raise BadRequestError("until and duration exclude each other.")
    if kind not in (ActionKind.SNOOZE, ActionKind.RESOLVE):
        if body.until is not None or body.duration is not None:
            raise BadRequestError("until and duration go with snooze and resolve only.")
        return None
    if body.duration is None:
        return _parse_moment(body.until, clock, "until")
    try:
        return clock.now() + parse_duration(body.duration)
    except ValueError as error:
        raise BadRequestError(f"duration: {error}") from None
    except OverflowError:
        raise BadRequestError("duration: longer than there is time") from None


def _parse_moment(text: str | None, clock: Clock, name: str) -> datetime | None:
    if text is None:
        return None
    return from_milliseconds(parse_time(text, clock=clock, name=name))


def _find_targets(body: BulkBody, firing: Iterable[Alert]) -> Sequence[str]:
    if (body.fingerprints is None) == (body.matchers is None):
        raise BadRequestError("Give either fingerprints or matchers.")
    if body.matchers is None:
        return body.fingerprints or ()
    matchers = parse_all(body.matchers)
    found = [each.fingerprint for each in firing if match_all(matchers, each.labels)]
    if len(found) > MOST_REQUESTS:
        raise BadRequestError(
            f"{len(found)} alerts match, and at most {MOST_REQUESTS} are handled at once:"
            " say more exactly which ones.",
            code="too_many",
        )
    return found


def _tell_pending(
    requests: Sequence[Request], results: Sequence[Result], pending: Callable[[], Iterable[Alert]]
) -> list[Result]:
    """Say of what is not there, or over, that it is about to fire if that is so."""
    refused = {
        request.fingerprint
        for request, result in zip(requests, results, strict=True)
        if request.starts_at is None and result.code in ("not_found", "over")
    }
    waiting = refused and refused & {each.fingerprint for each in pending()}
    return [
        replace(each, code="pending", message=_PENDING)
        if each.fingerprint in waiting and each.code in ("not_found", "over")
        else each
        for each in results
    ]


def _answer(results: Sequence[Result]) -> dict[str, Any]:
    (result,) = results
    if result.code == "not_found":
        raise NotFoundError(result.message)
    if result.code == "invalid":
        raise BadRequestError(result.message, code="invalid")
    if result.code:
        raise ApiError(HTTPStatus.CONFLICT, result.code, result.message)
    return _render_result(result)


def _render_results(results: Sequence[Result]) -> dict[str, Any]:
    rendered = [_render_result(result) for result in results]
    counts = {
        status: sum(each["status"] == status for each in rendered)
        for status in ("changed", "unchanged", "refused")
    }
    return {"results": rendered, **counts}


def _render_result(result: Result) -> dict[str, Any]:
    status = "changed" if result.is_changed else "unchanged"
    return {
        "fingerprint": result.fingerprint,
        "status": "refused" if result.code else status,
        "code": result.code or None,
        "message": result.message or None,
        "handling": None if result.handling is None else render_handling(result.handling),
    }
