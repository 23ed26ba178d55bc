"""Files of releases that are uploaded one by one, as clients do that know no bundles."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.api.errors import BadRequestError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.sentry_cli import (
    Organization,
    ProjectSlug,
    build_sentry_router,
    check_version,
    stream_pieces,
)
from resumatch_monitor.api.sentry_cli_uploads import UploadDesk
from resumatch_monitor.sourcemaps.assembly import AssemblyRequest, AssemblyState
from resumatch_monitor.sourcemaps.model import BundleUse, FileKind, FoundFile
from resumatch_monitor.sourcemaps.single import FileChecksums, make_bundle
from resumatch_monitor.sourcemaps.store import ArtifactReader, BundleStore

# A part of a bundle is no larger: larger files go as bundles.
LARGEST_FILE_BYTES = 32 * 1024 * 1024
_MOST_HEADERS = 20
_LONGEST_NAME = 2_000
_LISTED = 200


@dataclass(frozen=True, slots=True)
class _SingleFile:
    """A file as it is sent."""

    url: str
    content: bytes
    dist: str
    headers: Sequence[str]


def build_router(
    *, desk: UploadDesk, reader: ArtifactReader, bundles: BundleStore, guard: Guard
) -> APIRouter:
    """Return the routes of releases' files under `/api/0`."""
    router = build_sentry_router(guard)
    checksums = FileChecksums(bundles)
    bodies = BodyReader(
        max_bytes=LARGEST_FILE_BYTES + 64 * 1024,
        inflight_max_bytes=2 * LARGEST_FILE_BYTES + 256 * 1024,
        total_timeout_seconds=300.0,
    )

    async def take(request: Request, version: str, project: str | None) -> Response:
        ids = await desk.find_ids(check_version(version), [project] if project else [])
        async with bodies.read(request) as body:
            file = await _read_form(request, body)
            bundle = await asyncio.to_thread(
                make_bundle, file.url, file.content, headers=file.headers, release=version
            )
        checksum = hashlib.sha1(bundle, usedforsecurity=False).hexdigest()
        await asyncio.to_thread(desk.assembler.chunks.add, {checksum: bundle})
        uses = [BundleUse(each, version, file.dist) for each in ids]
        done = await desk.assembler.assemble(AssemblyRequest(checksum, [checksum], uses))
        if done.state is not AssemblyState.DONE:
            raise BadRequestError(done.detail or "The file could not be kept.")
        answer = {
            "id": checksum,
            "name": file.url,
            "dist": file.dist or None,
            "headers": dict(_split(each) for each in file.headers),
            "size": len(file.content),
            "sha1": hashlib.sha1(file.content, usedforsecurity=False).hexdigest(),
        }
        return JSONResponse(answer, status_code=HTTPStatus.CREATED)

    async def list_some(version: str, project: str | None) -> list[dict[str, Any]]:
        ids = await desk.find_ids(check_version(version), [project] if project else [])
        found = await reader.files_of_release(ids, version, limit=_LISTED)
        computed = await asyncio.to_thread(checksums.compute, found)
        return [_render(each, computed.get((each.checksum, each.file.path))) for each in found]

    @router.post("/organizations/{organization}/releases/{version}/files/")
    async def post_file(request: Request, organization: Organization, version: str) -> Response:
        del organization
        return await take(request, version, None)

    @router.post("/projects/{organization}/{project}/releases/{version}/files/")
    async def post_project_file(
        request: Request, organization: Organization, project: ProjectSlug, version: str
    ) -> Response:
        del organization
        return await take(request, version, project)

    @router.get("/organizations/{organization}/releases/{version}/files/")
    async def list_files(organization: Organization, version: str) -> list[dict[str, Any]]:
        del organization
        return await list_some(version, None)

    @router.get("/projects/{organization}/{project}/releases/{version}/files/")
    async def list_project_files(
        organization: Organization, project: ProjectSlug, version: str
    ) -> list[dict[str, Any]]:
        del organization
        return await list_some(version, project)

    return router


async def _read_form(request: Request, body: bytes) -> _SingleFile:
    try:
        form = await _FileParser(
            request.headers, stream_pieces(body), max_files=1, max_fields=40
        ).parse()
    except (MultiPartException, KeyError, AttributeError) as error:
        raise BadRequestError(f"The body is not multipart/form-data: {error}.") from error
    try:
        return await _read_fields(form)
    finally:
        await form.close()


async def _read_fields(form: FormData) -> _SingleFile:
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise BadRequestError("There is no part named 'file'.")
    url = str(form.get("name") or file.filename or "").strip()
    if not url or len(url) > _LONGEST_NAME:
        raise BadRequestError(f"Give the file a name of at most {_LONGEST_NAME} characters.")
    headers = [value for value in form.getlist("header") if isinstance(value, str)]
    if len(headers) > _MOST_HEADERS or any(len(each) > _LONGEST_NAME for each in headers):
        raise BadRequestError(f"A file has at most {_MOST_HEADERS} headers.")
    return _SingleFile(url, await file.read(), str(form.get("dist") or "")[:64], headers)


class _FileParser(MultiPartParser):
    """Keeps the file in memory, where the whole body is already."""

    spool_max_size = LARGEST_FILE_BYTES + 1


def _split(header: str) -> tuple[str, str]:
    name, _, value = header.partition(":")
    return name.strip(), value.strip()


def _render(found: FoundFile, checksum: str | None) -> dict[str, Any]:
    file = found.file
    headers = {"Sourcemap": file.sourcemap} if file.kind is FileKind.MINIFIED else {}
    return {
        "id": f"{found.checksum}.{file.path}",
        "name": file.url,
        "dist": None,
        "headers": {name: value for name, value in headers.items() if value},
        "size": file.size_bytes,
        # Of one that was deleted this moment nobody knows it any more.
        "sha1": checksum or "",
    }
