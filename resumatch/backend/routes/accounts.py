"""`/register`, `/login`, `/logout`, `/me`."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from structlog.contextvars import bind_contextvars

from resumatch.backend import audit, privacy
from resumatch.backend.accounts import Accounts
from resumatch.backend.auth import Person, Sessions
from resumatch.backend.rate_limiting import RateLimiter
from resumatch.backend.resumes import Resumes
from resumatch.backend.routes.access import (
    COOKIE,
    PersonDependency,
    address_of,
    is_synthetic,
    set_session_cookie,
    token_of,
)
from resumatch.backend.schemas import Credentials, Me, SignedIn, UserCreate


def build_router(
    *,
    accounts: Accounts,
    resumes: Resumes,
    sessions: Sessions,
    limiter: RateLimiter,
    current_person: PersonDependency,
    is_secure: bool,
) -> APIRouter:
    """Build the routes of an account's life."""
    router = APIRouter()

    async def sign_in(response: Response, user_id: UUID) -> SignedIn:
        # The rest of what is logged of this request is of this person.
        bind_contextvars(user_id=str(user_id))
        token = await sessions.start(user_id)
        set_session_cookie(
            response, token, lifetime_seconds=sessions.lifetime_seconds, is_secure=is_secure
        )
        return SignedIn(user_id=user_id, token=token, expires_in_seconds=sessions.lifetime_seconds)

    @router.post("/register", status_code=HTTPStatus.CREATED)
    async def register_user(
        request: Request, response: Response, user_data: UserCreate
    ) -> SignedIn:
        privacy.remember(user_data.password)
        privacy.remember(user_data.email)
        await limiter.check("register", address=address_of(request), account=user_data.email)
        user_id = await accounts.register(
            user_data.email, user_data.password, is_synthetic=is_synthetic(request)
        )
        return await sign_in(response, user_id)

    @router.post("/login")
    async def login(request: Request, response: Response, credentials: Credentials) -> SignedIn:
        privacy.remember(credentials.password)
        privacy.remember(credentials.email)
        account = credentials.email.strip().lower()
        await limiter.check("login", address=address_of(request), account=account)
        user_id = await accounts.login(account, credentials.password)
        return await sign_in(response, user_id)

    @router.post("/logout", status_code=HTTPStatus.NO_CONTENT)
    async def logout(
        request: Request, response: Response, person: Annotated[Person, Depends(current_person)]
    ) -> None:
        await sessions.end(token_of(request) or "")
        audit.record_success(audit.Action.LOGOUT, user_id=person.id)
        response.delete_cookie(COOKIE)

    @router.get("/me")
    async def me(person: Annotated[Person, Depends(current_person)]) -> Me:
        return Me(
            user_id=person.id,
            email=person.email,
            created_at=person.created_at,
            resumes=await resumes.count(person),
        )

    @router.delete("/me", status_code=HTTPStatus.NO_CONTENT)
    async def delete_me(
        response: Response, person: Annotated[Person, Depends(current_person)]
    ) -> None:
        await accounts.delete(person)
        response.delete_cookie(COOKIE)

    _ = register_user, login, logout, me, delete_me
    return router
