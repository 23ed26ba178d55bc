"""The UI's page, its files, and the sign-in page, which is rendered here."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader

from resumatch_monitor.accounts.service import (
    Accounts,
    SignInRefusedError,
    TooManyAttemptsError,
)
from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.ui.bundle import Bundle, BundleFile

_FOLDER = Path(__file__).parent
_PROGRAM_PATHS = ("api/", "v1/", "-/", "es/", "loki/")
_THEMES = ("dark", "light")
_SESSION_SECONDS = 400 * 24 * 3600
_PAGE_HEADERS = {"Cache-Control": "no-store", "Vary": "Cookie"}


@dataclass(frozen=True, slots=True)
class PageGuard:
    """What the pages need to know of sessions and forged requests.

    Attributes:
        is_signed_in: Whether the request carries a session.
        refuse_foreign_origin: Raises if another site's page sent the request.
    """

    cookie_name: str
    is_secure: bool
    is_signed_in: Callable[[Request], Awaitable[bool]]
    refuse_foreign_origin: Callable[[Request], None]


def build_router(*, accounts: Accounts, bundle: Bundle, guard: PageGuard) -> APIRouter:
    """Return the routes of pages; the one that takes every other path must be asked last."""
    router = APIRouter()
    pages = _Pages(accounts, bundle, guard)
    router.add_api_route("/login", pages.show_login, methods=["GET"], response_model=None)
    router.add_api_route("/login", pages.sign_in, methods=["POST"], response_model=None)
    router.add_api_route("/logout", pages.sign_out, methods=["POST"], response_model=None)
    router.add_api_route("/pages/{name}", pages.read_own_file, response_model=None)
    router.add_api_route("/{path:path}", pages.show_ui, response_model=None)
    return router


class _Pages:
    """The handlers of the page routes."""

    def __init__(self, accounts: Accounts, bundle: Bundle, guard: PageGuard) -> None:
        self._accounts = accounts
        self._bundle = bundle
        self._guard = guard
        self._own_files = Bundle(_FOLDER / "static")
        self._templates = Environment(
            loader=FileSystemLoader(_FOLDER / "templates"), autoescape=True
        )

    async def show_login(self, request: Request) -> Response:
        target = _safe_target(request.query_params.get("next", "/"))
        if await self._guard.is_signed_in(request):
            return RedirectResponse(target, HTTPStatus.SEE_OTHER)
        return self._render_login(request, HTTPStatus.OK, target=target)

    async def sign_in(
        self,
        request: Request,
        email: Annotated[str, Form(max_length=254)] = "",
        password: Annotated[str, Form(max_length=1_000)] = "",
        target: Annotated[str, Form(alias="next", max_length=2_000)] = "/",
    ) -> Response:
        self._guard.refuse_foreign_origin(request)
        target = _safe_target(target)
        try:
            token = await self._accounts.sign_in(
                email,
                password,
                address=request.client.host if request.client is not None else "",
                user_agent=request.headers.get("user-agent", ""),
            )
        except TooManyAttemptsError as error:
            response = self._render_login(
                request,
                HTTPStatus.TOO_MANY_REQUESTS,
                target=target,
                email=email,
                error=str(error),
            )
            response.headers["Retry-After"] = str(round(error.wait_seconds) + 1)
            return response
        except SignInRefusedError:
            return self._render_login(
                request,
                HTTPStatus.UNAUTHORIZED,
                target=target,
                email=email,
                error="The e-mail address or the password is wrong.",
            )
        except StorageUnavailableError as error:
            return self._render_login(
                request,
                HTTPStatus.SERVICE_UNAVAILABLE,
                target=target,
                email=email,
                error=f"Nobody can sign in at the moment: {error}.",
            )
        redirect = RedirectResponse(target, HTTPStatus.SEE_OTHER, headers=_PAGE_HEADERS)
        redirect.set_cookie(
            self._guard.cookie_name,
            token,
            max_age=_SESSION_SECONDS,
            path="/",
            secure=self._guard.is_secure,
            httponly=True,
            samesite="lax",
        )
        return redirect

    async def sign_out(self, request: Request) -> Response:
        self._guard.refuse_foreign_origin(request)
        cookie_name = self._guard.cookie_name
        token = request.cookies.get(cookie_name)
        if token:
            await self._accounts.sign_out(token)
        redirect = RedirectResponse("/login", HTTPStatus.SEE_OTHER, headers=_PAGE_HEADERS)
        redirect.delete_cookie(
            cookie_name, path="/", secure=self._guard.is_secure, httponly=True, samesite="lax"
        )
        return redirect

    async def read_own_file(self, request: Request, name: str) -> Response:
        return _send_file(request, self._own_files.find(f"/{name}"))

    async def show_ui(self, request: Request, path: str) -> Response:
        file = self._bundle.find(f"/{path}") if path != "index.html" else None
        if file is not None or path.startswith("assets/"):
            return _send_file(request, file)
        if path.startswith(_PROGRAM_PATHS):
            return _not_found()
        if not await self._guard.is_signed_in(request):
            return RedirectResponse(_login_path(request), HTTPStatus.SEE_OTHER)
        if not self._bundle.is_built:
            content = self._templates.get_template("no_ui.html").render(
                theme=find_theme(request), stylesheets=["/pages/pages.css"]
            )
            return HTMLResponse(content, headers=_PAGE_HEADERS)
        return HTMLResponse(self._bundle.render_index(find_theme(request)), headers=_PAGE_HEADERS)

    def _render_login(
        self, request: Request, status: int, *, target: str, email: str = "", error: str = ""
    ) -> HTMLResponse:
        content = self._templates.get_template("login.html").render(
            theme=find_theme(request),
            stylesheets=[*self._bundle.stylesheets, "/pages/pages.css"],
            target=target,
            email=email,
            error=error,
        )
        return HTMLResponse(content, status, headers=_PAGE_HEADERS)


def find_theme(request: Request) -> str:
    """Return the theme that the viewer has chosen, empty for the system's."""
    theme = request.cookies.get("theme", "")
    return theme if theme in _THEMES else ""


def _login_path(request: Request) -> str:
    query = request.url.query
    target = request.url.path + (f"?{query}" if query else "")
    return "/login" if target == "/" else f"/login?next={quote(target, safe='/')}"


def _safe_target(target: str) -> str:
    """Return `target` if it is a path on this host, otherwise the first page."""
    parts = urlsplit(target)
    is_path = target.startswith("/") and not target.startswith(("//", "/\\"))
    printable = all(32 <= ord(character) < 127 for character in target)
    return target if is_path and printable and not parts.netloc else "/"


def _send_file(request: Request, file: BundleFile | None) -> Response:
    if file is None:
        return _not_found()
    cache = "public, max-age=31536000, immutable" if file.is_immutable else "no-cache"
    headers: dict[str, str] = {"ETag": file.etag, "Cache-Control": cache, "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == file.etag:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    accepted = request.headers.get("accept-encoding", "")
    encoding = next((each for each in file.encodings if each in accepted), None)
    if encoding is None:
        return Response(file.content, media_type=file.media_type, headers=headers)
    headers["Content-Encoding"] = encoding
    return Response(file.encode(encoding), media_type=file.media_type, headers=headers)


def _not_found() -> Response:
    error = {"code": "not_found", "message": "There is nothing here."}
    return JSONResponse({"error": error}, HTTPStatus.NOT_FOUND)
