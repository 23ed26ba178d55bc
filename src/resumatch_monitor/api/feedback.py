"""What users wrote."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.paging import DEFAULT_LIMIT, Cursor, Limit, parse_cursor
from resumatch_monitor.errortracking.feedback import Feedback, FeedbackReader
from resumatch_monitor.kit.clock import isoformat

_LARGEST_ID = 2**63 - 1
_Id = Annotated[int | None, Query(ge=0, le=_LARGEST_ID)]


def build_router(
    *, reader: FeedbackReader, slug_of: Callable[[int], str], guard: Guard
) -> APIRouter:
    """Return the route `/api/monitor/feedback`."""
    router = APIRouter(prefix="/api/monitor/feedback", dependencies=[Depends(guard.viewer)])

    @router.get("")
    async def list_feedback(
        project: _Id = None, issue: _Id = None, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
    ) -> dict[str, Any]:
        found = await reader.list_feedback(
            project_id=project, issue_id=issue, before_id=parse_cursor(cursor), limit=limit + 1
        )
        page = found[:limit]
        return {
            "items": [_render(each, slug_of) for each in page],
            "next_cursor": str(page[-1].id) if len(found) > limit else None,
        }

    return router


def _render(feedback: Feedback, slug_of: Callable[[int], str]) -> dict[str, Any]:
    return {
        "id": str(feedback.id),
        "project_id": feedback.project_id,
        "project": slug_of(feedback.project_id),
        "message": feedback.message,
        "name": feedback.name or None,
        "email": feedback.email or None,
        "url": feedback.url or None,
        "source": feedback.source or None,
        "environment": feedback.environment or None,
        "release": feedback.release or None,
        "event_id": feedback.event_id or None,
        "issue_id": None if feedback.issue_id is None else str(feedback.issue_id),
        "at": isoformat(feedback.at),
    }
