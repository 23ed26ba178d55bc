"""Why events are together, and merging and splitting issues."""

from collections.abc import Awaitable, Sequence
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from resumatch_monitor.api.errors import ApiError, BadRequestError, NotFoundError
from resumatch_monitor.api.guard import Guard, Principal
from resumatch_monitor.api.paging import parse_number
from resumatch_monitor.errortracking.grouping.explain import (
    ExplainedException,
    Explanation,
    explain,
)
from resumatch_monitor.errortracking.grouping.project import GroupingBook, ProjectGrouping
from resumatch_monitor.errortracking.issues import IssueDetail, StoredEvent
from resumatch_monitor.errortracking.normalise import normalise
from resumatch_monitor.errortracking.regroup.model import (
    MERGE_MAX,
    SPLIT_MAX,
    IssueRegrouper,
    KeyId,
    KeyUse,
    MergeRecord,
    NoSuchIssueError,
    Regrouped,
    RegroupError,
    parse_key,
)
from resumatch_monitor.errortracking.store import IssueReader
from resumatch_monitor.kit.clock import Clock, isoformat, isoformat_or_none

T = TypeVar("T")


class MergeRequest(BaseModel):
    """The body of `POST /issues/merge`."""

    model_config = ConfigDict(extra="forbid")

    ids: list[str] = Field(min_length=1, max_length=MERGE_MAX)
    target: str


class SplitRequest(BaseModel):
    """The body of `POST /issues/{id}/split`."""

    model_config = ConfigDict(extra="forbid")

    keys: list[str] = Field(min_length=1, max_length=SPLIT_MAX)


def build_router(
    *,
    regrouper: IssueRegrouper,
    reader: IssueReader,
    book: GroupingBook,
    clock: Clock,
    guard: Guard,
) -> APIRouter:
    """Return the routes of docs/http-api.md, section Merging and splitting."""
    router = APIRouter(prefix="/api/monitor", tags=["issues"])
    _add_changes(router, regrouper, clock, guard)
    _add_explanations(router, regrouper, reader, book, clock, guard)
    return router


def _add_changes(router: APIRouter, regrouper: IssueRegrouper, clock: Clock, guard: Guard) -> None:
    @router.post("/issues/merge")
    async def merge(
        body: MergeRequest, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> dict[str, Any]:
        ids = [_parse_id(number) for number in body.ids]
        work = regrouper.merge(_parse_id(body.target), ids, actor=principal.name, at=clock.now())
        return _present_outcome(await _explaining_refusals(work))

    @router.post("/issues/{issue_id}/split")
    async def split(
        issue_id: str, body: SplitRequest, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> dict[str, Any]:
        keys = [_parse_key(text) for text in body.keys]
        work = regrouper.split(_parse_id(issue_id), keys, actor=principal.name, at=clock.now())
        return _present_outcome(await _explaining_refusals(work))

    @router.post("/issues/merges/{merge_id}/undo")
    async def undo(
        merge_id: str, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> dict[str, Any]:
        work = regrouper.undo(_parse_id(merge_id), actor=principal.name, at=clock.now())
        return _present_outcome(await _explaining_refusals(work))


def _add_explanations(
    router: APIRouter,
    regrouper: IssueRegrouper,
    reader: IssueReader,
    book: GroupingBook,
    clock: Clock,
    guard: Guard,
) -> None:
    viewer = [Depends(guard.viewer)]

    @router.get("/issues/{issue_id}/grouping", dependencies=viewer)
    async def get_grouping(issue_id: str, event: str = "latest") -> dict[str, Any]:
        number = _parse_id(issue_id)
        detail = await reader.get_issue(number, clock.now())
        if detail is None:
            raise NotFoundError(f"There is no issue {issue_id[:20]}.")
        stored = await reader.get_event(number, event.replace("-", "")[:64])
        if stored is None and event != "latest":
            raise NotFoundError(f"Issue {issue_id} has no stored event {event[:36]!r}.")
        return {
            "explanation": None if stored is None else await explain_stored(detail, stored),
            "keys": [_present_key(use) for use in await regrouper.list_keys(number)],
            "merges": [_present_merge(each) for each in await regrouper.list_merges(number)],
        }

    async def explain_stored(detail: IssueDetail, stored: StoredEvent) -> dict[str, Any]:
        how = (await book.current(clock.now())).of(detail.issue.project_id)
        key = await regrouper.find_event_key(detail.issue.id, stored.event_id)
        version = how.version if key is None else key.version
        event = normalise(stored.raw)
        now = explain(event, how, version=version)
        then = now
        if key is not None and now.key != key.key:
            # Most likely there was no such rule when it came.
            without_rules = explain(event, ProjectGrouping(version), version=version)
            then = without_rules if without_rules.key == key.key else now
        return _present_explanation(then, now, stored.event_id, key)


async def _explaining_refusals(work: Awaitable[T]) -> T:
    try:
        return await work
    except NoSuchIssueError as error:
        raise NotFoundError(str(error)) from error
    except RegroupError as error:
        raise ApiError(HTTPStatus.CONFLICT, "cannot_regroup", str(error)) from error


def _parse_id(text: str) -> int:
    number = parse_number(text)
    if number is None:
        raise NotFoundError(f"There is no issue {text[:20]!r}; issues are named by numbers.")
    return number


def _parse_key(text: str) -> KeyId:
    key = parse_key(text)
    if key is None:
        raise BadRequestError(f"{text[:60]!r} is not a grouping key.")
    return key


def _present_outcome(outcome: Regrouped) -> dict[str, Any]:
    return {
        "merge_id": str(outcome.merge_id),
        "issue_id": str(outcome.issue_id),
        "other_ids": [str(number) for number in outcome.other_ids],
        "missing_events": outcome.missing_events,
    }


def _present_key(use: KeyUse) -> dict[str, Any]:
    return {
        "id": use.id.text,
        "version": use.id.version,
        "event_count": use.event_count,
        "stored_count": use.stored_count,
        "last_seen_at": isoformat_or_none(use.last_seen_at),
        "sample_event_id": use.sample_event_id,
        "sample_message": use.sample_message,
    }


def _present_merge(each: MergeRecord) -> dict[str, Any]:
    return {
        "id": str(each.id),
        "kind": each.kind,
        "issue_id": str(each.issue_id),
        "at": isoformat(each.at),
        "actor": each.actor,
        "members": [
            {
                "issue_id": str(member.issue_id),
                "short_id": member.short_id,
                "title": member.title,
                "event_count": member.event_count,
            }
            for member in each.members
        ],
        "undone_at": isoformat_or_none(each.undone_at),
        "undone_by": each.undone_by,
        "can_undo": not each.obstacle,
        "obstacle": each.obstacle or None,
    }


def _present_explanation(
    explanation: Explanation, now: Explanation, event_id: str, key: KeyId | None
) -> dict[str, Any]:
    is_exact = key is not None and key.key == explanation.key
    is_current = key is not None and key.key == now.key
    return {
        "event_id": event_id,
        "version": explanation.version,
        "key": None if key is None else key.text,
        # What decides may have changed since; then nobody knows any more what it was.
        "is_exact": is_exact,
        "today": None if is_current else now.reason if not now.rule else f"The rule “{now.rule}”.",
        "reason": explanation.reason,
        "source": explanation.source,
        "rule": (
            {"text": explanation.rule, "line": explanation.rule_line} if explanation.rule else None
        ),
        "fingerprint": list(explanation.fingerprint),
        "components": [
            {"kind": component.kind, "values": list(component.values)}
            for component in explanation.components
        ],
        "exceptions": _present_exceptions(explanation.exceptions),
        "ignored": list(explanation.ignored),
    }


def _present_exceptions(exceptions: Sequence[ExplainedException]) -> list[dict[str, Any]]:
    return [
        {
            "type": each.type,
            "value": each.value,
            "counts": each.counts,
            "reason": each.reason,
            "frames": [
                {
                    "function": frame.function,
                    "module": frame.module,
                    "in_app": frame.in_app,
                    "counts": frame.counts,
                    "reason": frame.reason,
                }
                for frame in each.frames
            ],
            "hidden_frames": each.hidden_frames,
        }
        for each in exceptions
    ]
