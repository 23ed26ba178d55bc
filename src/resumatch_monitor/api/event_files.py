"""Files that came with an event: attachments."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Response

from resumatch_monitor.api.errors import NotFoundError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.paging import parse_number
from resumatch_monitor.kit.clock import isoformat
from resumatch_monitor.sentry.files import EventFile, FileReader

# Whatever it is, a browser only ever saves it: what SDKs send may be a page with scripts.
_DOWNLOAD_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def build_router(*, files: FileReader, guard: Guard) -> APIRouter:
    """Return the routes of an event's attachments, docs/http-api.md, section Issues."""
    router = APIRouter(
        prefix="/api/monitor/issues/{issue_id}/events/{event_id}/attachments",
        tags=["issues"],
        dependencies=[Depends(guard.viewer)],
    )

    async def find_files(issue_id: str, event_id: str) -> Sequence[EventFile]:
        number = parse_number(issue_id)
        found = None
        if number is not None:
            found = await files.list_of_event(number, event_id.replace("-", "")[:64])
        if found is None:
            raise NotFoundError(f"Issue {issue_id[:20]} has no stored event {event_id[:36]!r}.")
        return found

    @router.get("")
    async def list_attachments(issue_id: str, event_id: str) -> dict[str, Any]:
        found = await find_files(issue_id, event_id)
        return {"items": [_present(each) for each in found], "next_cursor": None}

    @router.get("/{attachment_id}")
    async def download_attachment(issue_id: str, event_id: str, attachment_id: str) -> Response:
        found = await find_files(issue_id, event_id)
        wanted = [each for each in found if str(each.id) == attachment_id]
        content = await files.read_content(wanted[0]) if wanted else None
        if content is None:
            raise NotFoundError(f"The event has no attachment {attachment_id[:20]!r}.")
        return Response(
            content,
            media_type="application/octet-stream",
            headers={
                **_DOWNLOAD_HEADERS,
                "Content-Disposition": f"attachment; filename*=UTF-8''{_quote(wanted[0].name)}",
            },
        )

    return router


def _quote(name: str) -> str:
    return quote(name.encode(errors="replace"), safe="")


def _present(file: EventFile) -> dict[str, Any]:
    return {
        "id": str(file.id),
        "name": file.name,
        "kind": file.kind.value,
        "content_type": file.content_type,
        "attachment_type": file.attachment_type,
        "size_bytes": file.size_bytes,
        "received_at": isoformat(file.received_at),
    }
