"""Uploads of source maps, as sentry-cli and the bundler plugins make them.

A client asks how to send, then to have a bundle put together, hears which parts are missing, sends
those, and asks again.
"""

import asyncio
import hashlib
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field, RootModel, StringConstraints
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.api.errors import ApiError, BadRequestError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.sentry_cli import (
    LONGEST_VERSION,
    MOST_PROJECTS,
    NO_NATIVE_SYMBOLS,
    ClientBody,
    Organization,
    ProjectSlug,
    build_sentry_router,
    check_version,
    find_projects,
    read_body,
    stream_pieces,
)
from resumatch_monitor.releases.store import ReleaseBook
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.sourcemaps.assembly import Assembler, Assembly, AssemblyRequest
from resumatch_monitor.sourcemaps.model import BundleUse

CHUNK_BYTES = 8 * 1024 * 1024
CHUNKS_AT_ONCE = 32
REQUEST_BYTES = 16 * 1024 * 1024
_CONCURRENCY = 2
_MOST_CHUNKS = 1_024
_GZIP_WINDOW = 31
_PART, _PACKED_PART = "file", "file_gzip"
_CHECKSUM = re.compile(r"[0-9a-f]{40}")
Checksum = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]


class AssembleBody(ClientBody):
    """A bundle that is to be put together."""

    checksum: Checksum
    chunks: list[Checksum] = Field(min_length=1, max_length=_MOST_CHUNKS)
    projects: list[str | int] = Field(default_factory=list[str | int], max_length=MOST_PROJECTS)
    version: str | None = Field(default=None, max_length=LONGEST_VERSION)
    dist: str | None = Field(default=None, max_length=64)


class SymbolsBody(RootModel[dict[Checksum, Any]]):
    """Debug information of native code, by checksum."""


@dataclass(frozen=True, slots=True)
class UploadDesk:
    """What the routes of uploads need.

    Attributes:
        external_url: Where people reach the monitor; empty if nobody said.
        max_bytes: Of one bundle.
    """

    assembler: Assembler
    releases: ReleaseBook
    projects: Projects
    external_url: str
    max_bytes: int

    async def find_ids(self, version: str, names: Sequence[str | int]) -> list[int]:
        """Return the numbers of the projects that are named, or of those that have the release.

        Raises:
            BadRequestError: If there are none.
        """
        if names:
            return [each.id for each in find_projects(self.projects, names)]
        everything = [each.id for each in self.projects.all()]
        found = await self.releases.find(everything, version)
        if not found:
            raise BadRequestError(
                f"There is no release {version[:80]!r}; make it first: sentry-cli releases new."
            )
        return [each.project_id for each in found]


def build_router(*, desk: UploadDesk, guard: Guard) -> APIRouter:
    """Return the routes of uploads under `/api/0`."""
    router = build_sentry_router(guard)
    _add_chunks(router, desk)
    _add_assembling(router, desk)
    return router


def _add_chunks(router: APIRouter, desk: UploadDesk) -> None:
    # Room for the lines between the parts.
    bodies = BodyReader(
        max_bytes=REQUEST_BYTES + 64 * 1024,
        inflight_max_bytes=2 * _CONCURRENCY * REQUEST_BYTES,
        total_timeout_seconds=300.0,
    )

    @router.get("/organizations/{organization}/chunk-upload/")
    async def get_options(request: Request, organization: Organization) -> dict[str, Any]:
        base_url = find_base_url(str(request.base_url), desk.external_url)
        return {
            "url": f"{base_url}/api/0/organizations/{organization}/chunk-upload/",
            "chunkSize": CHUNK_BYTES,
            "chunksPerRequest": CHUNKS_AT_ONCE,
            "maxFileSize": desk.max_bytes,
            "maxRequestSize": REQUEST_BYTES,
            "concurrency": _CONCURRENCY,
            "hashAlgorithm": "sha1",
            "compression": ["gzip"],
            "accept": ["release_files", "sources", "artifact_bundles", "artifact_bundles_v2"],
        }

    @router.post("/organizations/{organization}/chunk-upload/")
    async def post_chunks(request: Request, organization: Organization) -> Response:
        del organization
        async with bodies.read(request) as body:
            chunks = await _read_chunks(request.headers, body)
            await asyncio.to_thread(desk.assembler.chunks.add, chunks)
        return JSONResponse({})


def _add_assembling(router: APIRouter, desk: UploadDesk) -> None:
    async def assemble(body: AssembleBody, project_ids: Sequence[int]) -> dict[str, Any]:
        version = check_version(body.version) if body.version else ""
        uses = [BundleUse(each, version, body.dist or "") for each in project_ids]
        return _render(
            await desk.assembler.assemble(AssemblyRequest(body.checksum, body.chunks, uses))
        )

    @router.post("/organizations/{organization}/artifactbundle/assemble/")
    async def assemble_bundle(request: Request, organization: Organization) -> dict[str, Any]:
        del organization
        body = await read_body(request, AssembleBody)
        projects = find_projects(desk.projects, body.projects)
        return await assemble(body, [each.id for each in projects])

    @router.post("/organizations/{organization}/releases/{version}/assemble/")
    async def assemble_release(
        request: Request, organization: Organization, version: str
    ) -> dict[str, Any]:
        # So clients send that know no debug ids: the release says which projects.
        del organization
        body = (await read_body(request, AssembleBody)).model_copy(update={"version": version})
        return await assemble(body, await desk.find_ids(check_version(version), body.projects))

    @router.post("/projects/{organization}/{project}/files/difs/assemble/")
    async def assemble_symbols(
        request: Request, organization: Organization, project: ProjectSlug
    ) -> dict[str, Any]:
        del organization, project
        wanted = (await read_body(request, SymbolsBody)).root
        return {
            checksum: {"state": "error", "missingChunks": [], "detail": NO_NATIVE_SYMBOLS}
            for checksum in wanted
        }


def find_base_url(asked: str, external: str) -> str:
    """Return where a client is to send to, without a final slash.

    That is where it asks, since it got through; only whether a proxy in front of us speaks TLS, the
    configuration knows better.
    """
    asked, external = asked.rstrip("/"), external.rstrip("/")
    return external if external and urlsplit(external).netloc == urlsplit(asked).netloc else asked


async def _read_chunks(headers: Headers, body: bytes) -> Mapping[str, bytes]:
    """Return the parts of a body by their checksums.

    Raises:
        BadRequestError: If a part is not what its name says.
    """
    if not headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise BadRequestError("Parts are sent as multipart/form-data.")
    try:
        form = await _ChunkParser(
            headers, stream_pieces(body), max_files=CHUNKS_AT_ONCE, max_fields=CHUNKS_AT_ONCE
        ).parse()
    except (MultiPartException, KeyError) as error:
        raise BadRequestError(f"The body is not multipart/form-data: {error}.") from error
    try:
        parts = [
            (name, value.filename or "", await value.read())
            for name, value in form.multi_items()
            if isinstance(value, UploadFile)
        ]
    finally:
        await form.close()
    if not parts:
        raise BadRequestError(f"There is no part named {_PART!r} or {_PACKED_PART!r}.")
    return await asyncio.to_thread(_check_parts, parts)


class _ChunkParser(MultiPartParser):
    """Keeps parts in memory, where the whole body is already."""

    spool_max_size = REQUEST_BYTES + 1


def _check_parts(parts: Sequence[tuple[str, str, bytes]]) -> dict[str, bytes]:
    chunks: dict[str, bytes] = {}
    # Four times as much as was sent: what compresses better comes in more requests.
    room = REQUEST_BYTES * 4
    for name, checksum, data in parts:
        if name not in (_PART, _PACKED_PART) or not _CHECKSUM.fullmatch(checksum):
            raise BadRequestError(
                f"The part {name[:40]!r} with the file name {checksum[:60]!r} is none; parts are"
                f" named {_PART!r} or {_PACKED_PART!r}, their files by their SHA-1."
            )
        chunk = _unpack(data, checksum) if name == _PACKED_PART else data
        room -= len(chunk)
        if len(chunk) > CHUNK_BYTES or room < 0:
            raise _too_large(checksum)
        found = hashlib.sha1(chunk, usedforsecurity=False).hexdigest()
        if found != checksum:
            raise BadRequestError(f"The part {checksum} has the checksum {found}.")
        chunks[checksum] = chunk
    return chunks


def _unpack(data: bytes, checksum: str) -> bytes:
    decoder = zlib.decompressobj(_GZIP_WINDOW)
    try:
        chunk = decoder.decompress(data, CHUNK_BYTES + 1)
    except zlib.error as error:
        raise BadRequestError(f"The part {checksum} cannot be unpacked: {error}.") from error
    if len(chunk) > CHUNK_BYTES:
        raise _too_large(checksum)
    if not decoder.eof:
        raise BadRequestError(f"The part {checksum} is cut off.")
    return chunk


def _too_large(checksum: str) -> ApiError:
    return ApiError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too_large",
        f"The part {checksum} has more than {CHUNK_BYTES} bytes, or all together too many.",
    )


def _render(assembly: Assembly) -> dict[str, Any]:
    return {
        "state": assembly.state.value,
        "missingChunks": list(assembly.missing),
        "detail": assembly.detail,
    }
