"""Who is asking: session cookies, bearer tokens, roles, and protection against forged requests."""

import base64
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urlsplit

from fastapi import Request

from resumatch_monitor.accounts.model import Principal, Role
from resumatch_monitor.api.errors import ApiError

__all__ = ["Authenticator", "Guard", "Principal", "Role", "refuse_foreign_origin"]

_COOKIE = "resumatch_monitor_session"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Authenticator(Protocol):
    """Finds the principal behind a credential; None if there is none."""

    async def authenticate_session(self, token: str) -> Principal | None:
        """Return the user whose unexpired session has `token`."""
        ...

    async def authenticate_bearer(self, token: str) -> Principal | None:
        """Return the principal of an API token."""
        ...


class Guard:
    """FastAPI dependencies that let a request through or raise `ApiError` 401 or 403.

    Use as `principal: Annotated[Principal, Depends(guard.viewer)]`.
    """

    def __init__(self, authenticator: Authenticator, *, is_secure: bool) -> None:
        self._authenticator = authenticator
        # Cookies know no ports: another application on the same host may have a "session" too.
        self.cookie_name = "__Host-" + _COOKIE if is_secure else _COOKIE
        self.is_secure = is_secure

    async def viewer(self, request: Request) -> Principal:
        """Let through anybody who is known."""
        return await self._demand(request, Role.VIEWER)

    async def editor(self, request: Request) -> Principal:
        """Let through editors and admins."""
        return await self._demand(request, Role.EDITOR)

    async def uploader(self, request: Request) -> Principal:
        """Let through editors, admins, and the tokens of builds."""
        principal = await self._demand(request, Role.UPLOAD)
        if principal.role is not Role.UPLOAD and principal.role < Role.EDITOR:
            raise _not_allowed("upload or editor", principal)
        return principal

    async def admin(self, request: Request) -> Principal:
        """Let through admins."""
        return await self._demand(request, Role.ADMIN)

    async def identify(self, request: Request) -> Principal | None:
        """Return the principal, or None for a stranger."""
        header = request.headers.get("authorization", "")
        scheme, _, credential = header.partition(" ")
        if scheme.lower() == "bearer":
            return await self._authenticator.authenticate_bearer(credential.strip())
        if scheme.lower() == "basic":
            return await self._identify_basic(request, credential.strip())
        if scheme.lower() == "apikey":
            return await self._identify_key(credential.strip())
        token = request.cookies.get(self.cookie_name)
        if not token:
            return None
        principal = await self._authenticator.authenticate_session(token)
        if principal is not None and request.method not in _SAFE_METHODS:
            refuse_foreign_origin(request)
        return principal

    async def _identify_basic(self, request: Request, credential: str) -> Principal | None:
        """Return the principal whose API token is the password; the user's name does not matter.

        Some programs can send nothing but a name and a password: promtool, older agents.
        """
        try:
            _, _, token = base64.b64decode(credential, validate=True).decode().partition(":")
        except ValueError:
            return None
        principal = await self._authenticator.authenticate_bearer(token) if token else None
        is_of_browser = "sec-fetch-site" in request.headers or "origin" in request.headers
        if principal is not None and is_of_browser and request.method not in _SAFE_METHODS:
            # A browser sends a password that it knows with other sites' requests, too.
            refuse_foreign_origin(request)
        return principal

    async def _identify_key(self, credential: str) -> Principal | None:
        """Return the principal whose API token is the key, as Elasticsearch's clients send it.

        They encode its id, which does not matter, and the key itself as Basic does.
        """
        try:
            _, _, token = base64.b64decode(credential, validate=True).decode().partition(":")
        except ValueError:
            token = ""
        return await self._authenticator.authenticate_bearer(token or credential)

    async def _demand(self, request: Request, role: Role) -> Principal:
        principal = await self.identify(request)
        if principal is None:
            raise ApiError(
                HTTPStatus.UNAUTHORIZED,
                "not_signed_in",
                "Sign in, or send an API token as 'Authorization: Bearer …'.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if principal.role < role:
            raise _not_allowed(role.label, principal)
        return principal


def _not_allowed(needed: str, principal: Principal) -> ApiError:
    return ApiError(
        HTTPStatus.FORBIDDEN,
        "not_allowed",
        f"This needs the role {needed}; {principal.name} has {principal.role.label}.",
    )


def refuse_foreign_origin(request: Request) -> None:
    """Refuse a request that changes something and that another site's page may have sent.

    Raises:
        ApiError: 403, unless the browser says that the request comes from our own pages.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        allowed = site == "same-origin"
    else:
        origin = request.headers.get("origin")
        allowed = origin is not None and urlsplit(origin).netloc == request.headers.get("host")
    if not allowed:
        raise ApiError(
            HTTPStatus.FORBIDDEN,
            "foreign_origin",
            "The request did not come from the monitor's own pages.",
        )
