"""`/register`, `/login`, `/logout`, `/me`."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from resumatch.backend import privacy
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

    async def sign_in(response: Response, account: SignedIn) -> SignedIn:
        set_session_cookie(
            response,
            account.token,
            lifetime_seconds=account.expires_in_seconds,
            is_secure=is_secure,
        )
        return account

    @router.post("/register", status_code=HTTPStatus.CREATED)
    async def register_user(
        request: Request, response: Response, user_data: UserCreate
    ) -> SignedIn:
        privacy.remember(user_data.password)
        await limiter.check("register", address=address_of(request), account=user_data.email)
        user_id = await accounts.register(
            user_data.email, user_data.password, is_synthetic=is_synthetic(request)
        )
        token = await sessions.start(user_id)
        return await sign_in(
            response,
            SignedIn(user_id=user_id, token=token, expires_in_seconds=sessions.lifetime_seconds),
        )

    @router.post("/login")
    async def login(request: Request, response: Response, credentials: Credentials) -> SignedIn:
        privacy.remember(credentials.password)
        account = credentials.email.strip().lower()
        await limiter.check("login", address=address_of(request), account=account)
        user_id = await accounts.login(account, credentials.password)
        token = await sessions.start(user_id)
        return await sign_in(
            response,
            SignedIn(user_id=user_id, token=token, expires_in_seconds=sessions.lifetime_seconds),
        )

    @router.post("/logout", status_code=HTTPStatus.NO_CONTENT)
    async def logout(
        request: Request, response: Response, person: Annotated[Person, Depends(current_person)]
    ) -> None:
        await sessions.end(token_of(request) or "")
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
