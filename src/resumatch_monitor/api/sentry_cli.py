"""What all routes of Sentry's web API share: who may use them, names in paths, errors, bodies.

sentry-cli and the bundler plugins use this API to announce releases and to upload source maps. Any
organisation is taken, since there is only one; projects are the monitor's own.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, ValidationError
from typing_extensions import override

from resumatch_monitor.accounts.model import Principal
from resumatch_monitor.api.errors import ApiError, BadRequestError, NotFoundError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.sentry.projects import Project, Projects

LONGEST_VERSION = 200
MOST_PROJECTS = 50
_FORBIDDEN_IN_VERSIONS = frozenset("\r\n\t\f\0/\\")
_PIECE_BYTES = 256 * 1024
_FORBIDDEN_VERSIONS = frozenset({"", ".", "..", "latest"})
NO_NATIVE_SYMBOLS = (
    "This monitor reads source maps only; debug information of native code is not kept."
)
_NATIVE_SYMBOLS = ("/files/dsyms", "/files/difs/unknown", "/files/dsyms/unknown")
SCOPES = ("org:read", "project:read", "project:releases")
"""What a token may do, in Sentry's words."""

Organization = Annotated[str, Path(max_length=100)]
ProjectSlug = Annotated[str, Path(max_length=100)]
M = TypeVar("M", bound=BaseModel)


class ClientBody(BaseModel):
    """A body of a client that may know more fields than we do."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class SentryRoute(APIRoute):
    """Answers errors as Sentry does, `{"detail": "…"}`: its clients show that to people."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_with_details(request: Request) -> Response:
            try:
                return await handle(request)
            except ApiError as error:
                return _render(error.status, error.message, dict(error.headers))
            except RequestValidationError as error:
                return _render(HTTPStatus.BAD_REQUEST, describe_problems(error.errors()))
            except StorageUnavailableError as error:
                message = f"Nothing can be changed at the moment: {error}."
                return _render(HTTPStatus.SERVICE_UNAVAILABLE, message, {"Retry-After": "30"})

        return handle_with_details


def build_sentry_router(guard: Guard) -> APIRouter:
    """Return a router under `/api/0` for those who may upload."""
    return APIRouter(
        prefix="/api/0",
        route_class=SentryRoute,
        include_in_schema=False,
        dependencies=[Depends(guard.uploader)],
    )


def build_info_router(*, guard: Guard, projects: Projects) -> APIRouter:
    """Return what clients ask to see whether their token works and what there is."""
    router = build_sentry_router(guard)

    @router.get("/")
    async def get_info(principal: Annotated[Principal, Depends(guard.uploader)]) -> dict[str, Any]:
        return {
            "version": "0",
            "auth": {"scopes": list(SCOPES)},
            "user": {"id": "1", "username": principal.name, "email": principal.name, "name": ""},
        }

    @router.get("/organizations/")
    async def list_organizations() -> list[dict[str, Any]]:
        return [_render_organization("resumatch")]

    @router.get("/organizations/{organization}/")
    async def get_organization(organization: Organization) -> dict[str, Any]:
        return _render_organization(organization)

    @router.get("/organizations/{organization}/repos/")
    async def list_repositories(organization: Organization) -> list[dict[str, Any]]:
        # None are connected: clients then take the commits from the checkout.
        del organization
        return []

    @router.get("/organizations/{organization}/projects/")
    async def list_projects(organization: Organization) -> list[dict[str, Any]]:
        return [
            {**render_project(each), "organization": _render_organization(organization)}
            for each in projects.all()
        ]

    @router.get("/projects/{organization}/{project}/")
    async def get_project(organization: Organization, project: ProjectSlug) -> dict[str, Any]:
        found = find_projects(projects, [project])[0]
        return {**render_project(found), "organization": _render_organization(organization)}

    return router


def build_rest_router(guard: Guard) -> APIRouter:
    """Return what says of everything else that it is not here; the last under `/api/0`."""
    router = build_sentry_router(guard)

    @router.api_route("/{path:path}", methods=["GET", "POST", "PUT", "DELETE"])
    async def refuse(path: str) -> None:
        if path.rstrip("/").endswith(_NATIVE_SYMBOLS):
            raise BadRequestError(NO_NATIVE_SYMBOLS)
        raise NotFoundError(
            f"This monitor has releases, deploys and source maps of Sentry's web API, and no"
            f" /api/0/{path[:100]}."
        )

    return router


def find_projects(projects: Projects, names: Sequence[str | int]) -> list[Project]:
    """Return the projects with these slugs or numbers.

    Raises:
        BadRequestError: If none is named, or one that there is not. (Of 404 the clients tell as
            of an organisation that they do not find.)
    """
    if not names or len(names) > MOST_PROJECTS:
        raise BadRequestError(f"Name the projects, at most {MOST_PROJECTS} of them.")
    by_name = {
        **{str(each.id): each for each in projects.all()},
        **{each.slug: each for each in projects.all()},
    }
    unknown = [str(name) for name in names if str(name) not in by_name]
    if unknown:
        known = ", ".join(each.slug for each in projects.all()[:MOST_PROJECTS]) or "none"
        raise BadRequestError(f"There is no project {unknown[0][:50]!r}; there are: {known}.")
    return list({by_name[str(name)].id: by_name[str(name)] for name in names}.values())


def check_version(version: str) -> str:
    """Return a release's version as it is.

    Raises:
        BadRequestError: If it cannot be one.
    """
    is_bad = (
        version.strip() in _FORBIDDEN_VERSIONS
        or len(version) > LONGEST_VERSION
        or not _FORBIDDEN_IN_VERSIONS.isdisjoint(version)
    )
    if is_bad:
        raise BadRequestError(
            f"A release's version has 1 to {LONGEST_VERSION} characters, no slash and no line"
            " break, and is not 'latest'."
        )
    return version


async def read_body(request: Request, model: type[M]) -> M:
    """Return the JSON body of a request, whatever it says of its type.

    Raises:
        BadRequestError: If it is not what `model` says; the message says where.
    """
    try:
        return model.model_validate(orjson.loads(await request.body()))
    except orjson.JSONDecodeError as error:
        raise BadRequestError(f"The body is not JSON: {error}.") from error
    except ValidationError as error:
        raise BadRequestError(describe_problems(error.errors())) from error


async def stream_pieces(body: bytes) -> AsyncGenerator[bytes]:
    """Yield a body that is here in pieces, with turns for others in between."""
    for start in range(0, len(body), _PIECE_BYTES):
        yield body[start : start + _PIECE_BYTES]
        await asyncio.sleep(0)


def describe_problems(problems: Sequence[Any]) -> str:
    """Return what is wrong in a request, and where."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        for problem in problems[:10]
    )


def render_project(project: Project) -> dict[str, Any]:
    """Render a project as Sentry does."""
    return {
        "id": str(project.id),
        "slug": project.slug,
        "name": project.name or project.slug,
        "team": None,
        "teams": [],
        "status": "active",
    }


def _render_organization(slug: str) -> dict[str, Any]:
    return {
        "id": "1",
        "slug": slug,
        "name": slug,
        "dateCreated": "2026-01-01T00:00:00Z",
        "isEarlyAdopter": False,
        "require2FA": False,
        "features": [],
        "status": {"id": "active", "name": "active"},
    }


def _render(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"detail": message}, status_code=status, headers=headers)
