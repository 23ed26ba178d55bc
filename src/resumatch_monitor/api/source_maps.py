"""Uploaded source maps, as the page about them shows them."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query

from resumatch_monitor.api.errors import NotFoundError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.paging import DEFAULT_LIMIT, Cursor, Limit, parse_cursor
from resumatch_monitor.kit.clock import isoformat, isoformat_or_none
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.sourcemaps.assembly import Assembler
from resumatch_monitor.sourcemaps.model import ArtifactFile, Upload
from resumatch_monitor.sourcemaps.problems import render_debug_id
from resumatch_monitor.sourcemaps.store import ArtifactIndex, ArtifactReader

Id = Annotated[int, Path(ge=0, lt=2**53)]


def build_router(
    *,
    reader: ArtifactReader,
    index: ArtifactIndex,
    assembler: Assembler,
    projects: Projects,
    max_bytes: int,
    guard: Guard,
) -> APIRouter:
    """Return the routes of docs/http-api.md, section Source maps.

    Args:
        reader: Answers what is asked.
        index: Knows how much there is.
        assembler: Deletes.
        projects: The applications that may upload.
        max_bytes: Of all uploads together.
        guard: Lets viewers look, and editors delete.
    """
    router = APIRouter(prefix="/api/monitor/source-maps")
    viewer = [Depends(guard.viewer)]

    async def find(upload_id: int) -> Upload:
        upload = await reader.upload(upload_id)
        if upload is None:
            raise NotFoundError(f"There is no upload {upload_id}.")
        return upload

    @router.get("", dependencies=viewer)
    async def list_uploads(
        project: Annotated[int | None, Query(ge=1, lt=2**53)] = None,
        query: Annotated[str, Query(max_length=200)] = "",
        cursor: Cursor = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> dict[str, Any]:
        page = await reader.uploads(
            project_id=project, text=query.strip(), cursor=parse_cursor(cursor), limit=limit
        )
        count, size = await index.usage()
        return {
            "items": [_render_upload(each, projects) for each in page.items],
            "next_cursor": page.next_cursor,
            "usage": {"count": count, "bytes": size, "max_bytes": max_bytes},
        }

    @router.get("/{upload_id}", dependencies=viewer)
    async def get_upload(upload_id: Id) -> dict[str, Any]:
        return _render_upload(await find(upload_id), projects)

    @router.get("/{upload_id}/files", dependencies=viewer)
    async def list_files(
        upload_id: Id, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
    ) -> dict[str, Any]:
        await find(upload_id)
        files, next_cursor = await reader.files(upload_id, cursor=parse_cursor(cursor), limit=limit)
        return {"items": [_render_file(each) for each in files], "next_cursor": next_cursor}

    @router.delete(
        "/{upload_id}", status_code=HTTPStatus.NO_CONTENT, dependencies=[Depends(guard.editor)]
    )
    async def delete_upload(upload_id: Id) -> None:
        if not await assembler.remove(upload_id):
            raise NotFoundError(f"There is no upload {upload_id}.")

    return router


def _render_upload(upload: Upload, projects: Projects) -> dict[str, Any]:
    return {
        "id": str(upload.id),
        "checksum": upload.checksum,
        "size_bytes": upload.size_bytes,
        "file_count": upload.file_count,
        "debug_id_count": upload.debug_id_count,
        "created_at": isoformat(upload.created_at),
        "resolved_at": isoformat_or_none(upload.resolved_at),
        "uses": [
            {
                "project": {"id": use.project_id, "slug": projects.slug(use.project_id)},
                "release": use.version or None,
                "dist": use.dist or None,
            }
            for use in upload.uses
        ],
    }


def _render_file(file: ArtifactFile) -> dict[str, Any]:
    return {
        "url": file.url,
        "kind": file.kind.value,
        "debug_id": None if file.debug_id is None else render_debug_id(file.debug_id),
        "source_map": file.sourcemap or None,
        "size_bytes": file.size_bytes,
    }
