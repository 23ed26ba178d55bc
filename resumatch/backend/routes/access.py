"""Who asks, and whether they may from where they are."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import urlsplit

import sentry_sdk
from fastapi import Request
from starlette.responses import Response
from structlog.contextvars import bind_contextvars

from resumatch.backend import privacy
from resumatch.backend.auth import Person, Sessions
from resumatch.backend.errors import ApiError
from resumatch.backend.middleware import SYNTHETIC
from resumatch.backend.redis_client import RedisClient

COOKIE = "resumatch_session"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

PersonDependency = Callable[[Request], Awaitable[Person]]


def is_synthetic(request: Request, person: Person | None = None) -> bool:
    """Say whether the monitoring asks, by this request or through an account that it made."""
    return bool(request.scope[SYNTHETIC]) or (person is not None and person.is_synthetic)


def address_of(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def token_of(request: Request) -> str | None:
    """Return the session token of a request: from its header, or else from its cookie."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.cookies.get(COOKIE)


def set_session_cookie(
    response: Response, token: str, *, lifetime_seconds: int, is_secure: bool
) -> None:
    response.set_cookie(
        COOKIE, token, max_age=lifetime_seconds, httponly=True, secure=is_secure, samesite="lax"
    )


def build_current_person(
    *, sessions: Sessions, redis: RedisClient, allowed_origins: tuple[str, ...]
) -> PersonDependency:
    """Make the dependency that lets only signed-in people pass."""

    async def current_person(request: Request) -> Person:
        token = token_of(request)
        if token is None:
            raise _not_signed_in()
        privacy.remember(token)
        if "authorization" not in request.headers:
            _check_origin(request, allowed_origins)
        person = await sessions.find(token)
        if person is None:
            raise _not_signed_in()
        privacy.remember(person.email)
        bind_contextvars(user_id=str(person.id))
        sentry_sdk.set_user({"id": str(person.id)})
        if is_synthetic(request, person):
            sentry_sdk.set_tag("synthetic", "true")
            bind_contextvars(synthetic=True)
        else:
            await redis.note_active(str(person.id))
        return person

    return current_person


def _check_origin(request: Request, allowed_origins: tuple[str, ...]) -> None:
    """Refuse changes that another site makes with a browser's cookie."""
    origin = request.headers.get("origin")
    if request.method in _SAFE_METHODS or origin is None or origin in allowed_origins:
        return
    if urlsplit(origin).netloc != request.headers.get("host"):
        raise ApiError(
            HTTPStatus.FORBIDDEN, "foreign_origin", "This request comes from another site."
        )


def _not_signed_in() -> ApiError:
    return ApiError(
        HTTPStatus.UNAUTHORIZED,
        "not_signed_in",
        "Please sign in.",
        headers={"WWW-Authenticate": "Bearer"},
    )
