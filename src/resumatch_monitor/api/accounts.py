"""Who one is, and the admin's lists of users and API tokens."""

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from resumatch_monitor import __version__
from resumatch_monitor.accounts.model import ApiToken, Principal, Role, User
from resumatch_monitor.accounts.passwords import PasswordError
from resumatch_monitor.accounts.service import Accounts, LastAdminError, NameTakenError
from resumatch_monitor.api.errors import ApiError, BadRequestError, NotFoundError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.kit.clock import isoformat, isoformat_or_none

Id = Annotated[int, Path(ge=0, lt=2**63)]
RoleName = Literal["viewer", "editor", "admin"]
TokenRoleName = Literal["upload", "viewer", "editor", "admin"]


class _Body(BaseModel):
    """A request body; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class NewUser(_Body):
    """A user to add."""

    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)
    name: str = Field(min_length=1, max_length=100)
    role: RoleName
    password: str


class UserChange(_Body):
    """What to change of a user."""

    name: str | None = Field(default=None, min_length=1, max_length=100)
    role: RoleName | None = None
    password: str | None = None
    disabled: bool | None = None


class NewToken(_Body):
    """An API token to make."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$")
    role: TokenRoleName


def build_router(*, accounts: Accounts, guard: Guard) -> APIRouter:
    """Return the routes under `/api/monitor` for `me`, `users` and `tokens`."""
    router = APIRouter(prefix="/api/monitor")
    _add_user_routes(router, accounts, guard)
    _add_token_routes(router, accounts, guard)

    @router.get("/me")
    async def read_me(principal: Principal = Depends(guard.viewer)) -> dict[str, Any]:
        return {
            "name": principal.name,
            "role": principal.role.label,
            "version": __version__,
            "user_id": None if principal.user_id is None else str(principal.user_id),
        }

    return router


def _add_user_routes(router: APIRouter, accounts: Accounts, guard: Guard) -> None:
    @router.get("/users")
    async def list_users(_: Principal = Depends(guard.admin)) -> dict[str, Any]:
        users = await accounts.store.list_users()
        return {"items": [_render_user(user) for user in users], "next_cursor": None}

    @router.post("/users", status_code=HTTPStatus.CREATED)
    async def add_user(body: NewUser, _: Principal = Depends(guard.admin)) -> dict[str, Any]:
        try:
            user = await accounts.add_user(
                email=body.email, name=body.name, role=Role.of(body.role), password=body.password
            )
        except PasswordError as error:
            raise BadRequestError(str(error)) from error
        except NameTakenError as error:
            raise _conflict(f"{body.email} has an account already.") from error
        return _render_user(user)

    @router.patch("/users/{user_id}")
    async def change_user(
        user_id: Id, body: UserChange, _: Principal = Depends(guard.admin)
    ) -> dict[str, Any]:
        user = await accounts.store.find_user(user_id)
        if user is None:
            raise NotFoundError(f"There is no user {user_id}.")
        try:
            changed = await accounts.change_user(
                user,
                name=body.name,
                role=None if body.role is None else Role.of(body.role),
                password=body.password,
                disabled=body.disabled,
            )
        except PasswordError as error:
            raise BadRequestError(str(error)) from error
        except LastAdminError as error:
            raise _conflict("This is the last admin; make another one first.") from error
        return _render_user(changed)


def _add_token_routes(router: APIRouter, accounts: Accounts, guard: Guard) -> None:
    @router.get("/tokens")
    async def list_tokens(_: Principal = Depends(guard.admin)) -> dict[str, Any]:
        tokens = await accounts.store.list_tokens()
        return {"items": [_render_token(token) for token in tokens], "next_cursor": None}

    @router.post("/tokens", status_code=HTTPStatus.CREATED)
    async def add_token(
        body: NewToken, response: Response, principal: Principal = Depends(guard.admin)
    ) -> dict[str, Any]:
        try:
            token, secret = await accounts.add_token(
                name=body.name, role=Role.of(body.role), created_by=principal.name
            )
        except NameTakenError as error:
            raise _conflict(f"There is a token named {body.name} already.") from error
        response.headers["Cache-Control"] = "no-store"
        return {**_render_token(token), "token": secret}

    @router.delete("/tokens/{token_id}", status_code=HTTPStatus.NO_CONTENT)
    async def delete_token(token_id: Id, _: Principal = Depends(guard.admin)) -> None:
        if not await accounts.store.delete_token(token_id):
            raise NotFoundError(f"There is no token {token_id}.")


def _conflict(message: str) -> ApiError:
    return ApiError(HTTPStatus.CONFLICT, "conflict", message)


def _render_user(user: User) -> dict[str, Any]:
    return {
        "id": str(user.id),
        "email": user.email,
        "name": user.name,
        "role": user.role.label,
        "created_at": isoformat(user.created_at),
        "disabled_at": isoformat_or_none(user.disabled_at),
    }


def _render_token(token: ApiToken) -> dict[str, Any]:
    return {
        "id": str(token.id),
        "name": token.name,
        "role": token.role.label,
        "created_at": isoformat(token.created_at),
        "last_used_at": isoformat_or_none(token.last_used_at),
        "created_by": token.created_by,
    }
