"""What people decide about issues and say of them: one, or many at once."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from resumatch_monitor.api.errors import ApiError, BadRequestError, NotFoundError
from resumatch_monitor.api.guard import Guard, Principal, Role
from resumatch_monitor.api.issues import HeirFinder, gone_error
from resumatch_monitor.api.issues_query import LONGEST_PARAMETER, read_search, refusing_slow
from resumatch_monitor.api.paging import (
    DEFAULT_LIMIT,
    BadCursorError,
    Cursor,
    Limit,
    parse_number,
)
from resumatch_monitor.errortracking.issues import IssueQuery, IssueStatus, MatchingIssues
from resumatch_monitor.errortracking.present import present_detail
from resumatch_monitor.errortracking.store import IssueReader
from resumatch_monitor.errortracking.workflow.bulk import MOST_BATCHES, BulkDesk
from resumatch_monitor.errortracking.workflow.decisions import (
    UNSET,
    Decision,
    Rest,
    Unset,
)
from resumatch_monitor.errortracking.workflow.model import (
    ArchiveKind,
    DecisionError,
    Priority,
    Resolution,
    ResolutionKind,
)
from resumatch_monitor.errortracking.workflow.store import (
    LONGEST_COMMENT,
    MOST_ISSUES,
    MOST_MATCHING,
    ActivityEntry,
    CommentBook,
    ConflictError,
    Decided,
    IssueWorkflow,
    Undone,
)
from resumatch_monitor.kit.clock import Clock, isoformat, isoformat_or_none

_UNDO_SEPARATOR = "-"
_LONGEST_NAME = 254
_Seconds = Annotated[int, Field(ge=1, le=366 * 86_400)]
_Count = Annotated[int, Field(ge=1, le=1_000_000_000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ResolutionBody(_Body):
    """In what an issue is resolved."""

    kind: ResolutionKind = ResolutionKind.NOW
    release: str | None = Field(default=None, min_length=1, max_length=250)
    commit: str | None = Field(default=None, pattern="^[0-9a-fA-F]{7,64}$")


class ArchiveBody(_Body):
    """For how long an issue rests."""

    kind: ArchiveKind = ArchiveKind.FOREVER
    until: AwareDatetime | None = None
    events: _Count | None = None
    users: _Count | None = None
    window_seconds: _Seconds | None = None


class ChangeBody(_Body):
    """A decision; what is left out stays as it is."""

    status: IssueStatus | None = None
    resolution: ResolutionBody | None = None
    archive: ArchiveBody | None = None
    assignee: str | None = Field(default=None, max_length=_LONGEST_NAME)
    priority: Priority | None = None

    def decision(self) -> Decision:
        """Return the decision.

        Raises:
            BadRequestError: If it decides nothing, or contradicts itself.
        """
        given = self.model_fields_set & {"status", "assignee", "priority"}
        if not given or ("status" in given and self.status is None):
            raise BadRequestError("Say what to change: status, assignee or priority.")
        if self.resolution is not None and self.status is not IssueStatus.RESOLVED:
            raise BadRequestError("resolution goes with the status resolved only.")
        if self.archive is not None and self.status is not IssueStatus.IGNORED:
            raise BadRequestError("archive goes with the status ignored only.")
        resolution, archive = self.resolution or ResolutionBody(), self.archive or ArchiveBody()
        window = archive.window_seconds
        assignee: str | Unset = UNSET
        if "assignee" in given:
            assignee = (self.assignee or "").strip()
        return Decision(
            status=self.status,
            resolution=Resolution(resolution.kind, resolution.release, resolution.commit),
            rest=Rest(
                archive.kind,
                until=archive.until,
                events=archive.events,
                users=archive.users,
                window=None if window is None else timedelta(seconds=window),
            ),
            assignee=assignee,
            priority=self.priority if "priority" in given else UNSET,
        )


class IssueChange(ChangeBody):
    """The body of `PATCH /issues/{id}`."""

    revision: int | None = Field(default=None, ge=0)


class QueryBody(_Body):
    """The issues that a list shows."""

    status: IssueStatus | None = None
    project: int | None = Field(default=None, ge=1, lt=2**53)
    query: str = Field(default="", max_length=LONGEST_PARAMETER)


class BulkChange(ChangeBody):
    """The body of `PATCH /issues`: issues by their ids, or all that match."""

    ids: list[str] | None = Field(default=None, min_length=1, max_length=MOST_ISSUES)
    matching: QueryBody | None = None


class CommentBody(_Body):
    """What somebody says of an issue."""

    text: str = Field(min_length=1, max_length=LONGEST_COMMENT)


ListPeople = Callable[[], Awaitable[Sequence[str]]]
"""Returns the names of those to whom issues may be assigned."""


@dataclass(frozen=True, slots=True)
class WorkflowDesk:
    """What the routes need."""

    reader: IssueReader
    workflow: IssueWorkflow
    comments: CommentBook
    list_people: ListPeople
    find_heir: HeirFinder
    clock: Clock

    @property
    def bulk(self) -> BulkDesk:
        """Decides about many."""
        return BulkDesk(workflow=self.workflow, clock=self.clock)

    async def decide(
        self,
        ids: Sequence[int],
        decision: Decision,
        *,
        actor: str,
        revisions: dict[int, int] | None = None,
    ) -> Decided:
        """Apply a decision, or say why it cannot be."""
        try:
            return await self.workflow.decide(
                ids, decision, actor=actor, at=self.clock.now(), revisions=revisions
            )
        except DecisionError as error:
            raise BadRequestError(str(error)) from error
        except ConflictError as error:
            raise ApiError(
                HTTPStatus.CONFLICT, "changed", str(error), details={"revision": error.revision}
            ) from error

    async def decide_many(self, change: BulkChange, *, me: str) -> dict[str, Any]:
        """Apply a change to the issues that it names, and render what became of it."""
        decision = change.decision()
        if (change.ids is None) == (change.matching is None):
            raise BadRequestError("Name the issues by ids, or by matching, and not by both.")
        if change.ids is not None:
            found = MatchingIssues([_parse_id(each) for each in change.ids], len(change.ids))
        else:
            found = await self._find_matching(change.matching or QueryBody(), me=me)
        try:
            decided = await self.bulk.decide(found.ids, decision, actor=me)
        except DecisionError as error:
            raise BadRequestError(str(error)) from error
        return {
            "matched": found.total,
            "is_matched_exact": found.is_total_exact,
            "looked_at": len(found.ids),
            "updated": decided.updated,
            "undo": _UNDO_SEPARATOR.join(map(str, decided.undo_ids)) or None,
        }

    async def _find_matching(self, wanted: QueryBody, *, me: str) -> MatchingIssues:
        query = IssueQuery(
            status=wanted.status,
            project_id=wanted.project,
            search=read_search(wanted.query),
            me=me,
        )
        work = self.reader.find_matching(query, self.clock.now(), limit=MOST_MATCHING)
        return await refusing_slow(work)

    async def undo(self, undo_id: str, *, actor: str) -> Undone:
        """Take a decision back."""
        numbers = [parse_number(part) for part in undo_id.split(_UNDO_SEPARATOR, MOST_BATCHES)]
        known = [number for number in numbers if number is not None]
        undone = None
        if len(known) == len(numbers) <= MOST_BATCHES:
            undone = await self.bulk.undo(known, actor=actor)
        if undone is None:
            raise NotFoundError("That was undone already, or is too long ago.")
        return undone

    async def own_comment(
        self, issue_id: str, comment_id: str, principal: Principal, *, admins: bool
    ) -> ActivityEntry:
        """Return a comment that the principal may change."""
        number = parse_number(comment_id)
        found = (
            None
            if number is None
            else await self.comments.find_comment(_parse_id(issue_id), number)
        )
        if found is None:
            raise NotFoundError(f"Issue {issue_id} has no comment {comment_id[:20]!r}.")
        if found.actor != principal.name and not (admins and principal.role is Role.ADMIN):
            raise ApiError(
                HTTPStatus.FORBIDDEN, "not_yours", "Only whoever wrote a comment changes it."
            )
        return found


def build_router(*, desk: WorkflowDesk, guard: Guard) -> APIRouter:
    """Return the routes of docs/http-api.md, section Issues, that change issues."""
    router = APIRouter(prefix="/api/monitor", tags=["issues"])
    _add_decision_routes(router, desk, guard)
    _add_activity_routes(router, desk, guard)
    return router


def _add_decision_routes(router: APIRouter, desk: WorkflowDesk, guard: Guard) -> None:
    editor = Depends(guard.editor)

    @router.patch("/issues")
    async def change_many(
        change: BulkChange, principal: Annotated[Principal, editor]
    ) -> dict[str, Any]:
        return await desk.decide_many(change, me=principal.name)

    @router.get("/issues/assignees", dependencies=[Depends(guard.viewer)])
    async def list_assignees() -> dict[str, Any]:
        return {"items": list(await desk.list_people())}

    @router.post("/issues/undo/{undo_id}")
    async def undo(undo_id: str, principal: Annotated[Principal, editor]) -> dict[str, int]:
        undone = await desk.undo(undo_id, actor=principal.name)
        return {"restored": undone.restored, "kept": undone.kept}

    @router.patch("/issues/{issue_id}")
    async def change_issue(
        issue_id: str, change: IssueChange, principal: Annotated[Principal, editor]
    ) -> dict[str, Any]:
        number, decision = _parse_id(issue_id), change.decision()
        if await desk.reader.get_issue(number, desk.clock.now()) is None:
            raise await gone_error(number, desk.find_heir)
        revisions = None if change.revision is None else {number: change.revision}
        decided = await desk.decide([number], decision, actor=principal.name, revisions=revisions)
        detail = await desk.reader.get_issue(number, desk.clock.now())
        if detail is None:
            raise await gone_error(number, desk.find_heir)
        return {**present_detail(detail, desk.clock.now()), "undo": _present(decided)["undo"]}


def _add_activity_routes(router: APIRouter, desk: WorkflowDesk, guard: Guard) -> None:
    editor = Depends(guard.editor)

    @router.get("/issues/{issue_id}/activity", dependencies=[Depends(guard.viewer)])
    async def list_activity(
        issue_id: str, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
    ) -> dict[str, Any]:
        try:
            page = await desk.workflow.activity(_parse_id(issue_id), cursor=cursor, limit=limit)
        except ValueError as error:
            raise BadCursorError(str(error)) from error
        return {
            "items": [_present_entry(entry) for entry in page.items],
            "next_cursor": page.next_cursor,
        }

    @router.post("/issues/{issue_id}/comments", status_code=HTTPStatus.CREATED)
    async def comment(
        issue_id: str, body: CommentBody, principal: Annotated[Principal, editor]
    ) -> dict[str, Any]:
        entry = await desk.comments.comment(
            _parse_id(issue_id), _strip(body), actor=principal.name, at=desk.clock.now()
        )
        if entry is None:
            raise await gone_error(_parse_id(issue_id), desk.find_heir)
        return _present_entry(entry)

    @router.patch("/issues/{issue_id}/comments/{comment_id}")
    async def edit_comment(
        issue_id: str, comment_id: str, body: CommentBody, principal: Annotated[Principal, editor]
    ) -> dict[str, Any]:
        found = await desk.own_comment(issue_id, comment_id, principal, admins=False)
        await desk.comments.edit_comment(found.id, _strip(body), at=desk.clock.now())
        return _present_entry(await desk.own_comment(issue_id, comment_id, principal, admins=False))

    @router.delete("/issues/{issue_id}/comments/{comment_id}", status_code=HTTPStatus.NO_CONTENT)
    async def delete_comment(
        issue_id: str, comment_id: str, principal: Annotated[Principal, editor]
    ) -> None:
        found = await desk.own_comment(issue_id, comment_id, principal, admins=True)
        await desk.comments.delete_comment(found.id)


def _strip(body: CommentBody) -> str:
    text = body.text.strip()
    if not text:
        raise BadRequestError("A comment says something.")
    return text


def _parse_id(text: str) -> int:
    number = parse_number(text)
    if number is None:
        raise NotFoundError(f"There is no issue {text[:20]!r}; issues are named by numbers.")
    return number


def _present(decided: Decided) -> dict[str, Any]:
    undo_id = decided.undo_id
    return {"updated": decided.updated, "undo": None if undo_id is None else str(undo_id)}


def _present_entry(entry: ActivityEntry) -> dict[str, Any]:
    return {
        "id": str(entry.id),
        "at": isoformat(entry.at),
        "kind": entry.kind,
        "actor": entry.actor,
        "text": entry.text,
        "edited_at": isoformat_or_none(entry.edited_at),
    }
