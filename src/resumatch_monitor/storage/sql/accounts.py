"""Accounts in the relational database."""

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from resumatch_monitor.accounts.model import ApiToken, Role, Session, User
from resumatch_monitor.accounts.service import NameTakenError
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables.accounts import API_TOKENS, SESSIONS, USERS

_MOST_ACCOUNTS = 1_000
_SESSIONS_PER_USER = 50


class SqlAccountStore:
    """Implements `accounts.service.AccountStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_user_by_email(self, email: str) -> User | None:
        query = select(USERS).where(USERS.c.email == email)
        return await self._database.read(lambda c: _user(c.execute(query).mappings().first()))

    async def find_user(self, user_id: int) -> User | None:
        query = select(USERS).where(USERS.c.id == user_id)
        return await self._database.read(lambda c: _user(c.execute(query).mappings().first()))

    async def list_users(self) -> list[User]:
        query = select(USERS).order_by(USERS.c.email).limit(_MOST_ACCOUNTS)
        rows = await self._database.read(lambda c: c.execute(query).mappings().all())
        return [user for user in map(_user, rows) if user is not None]

    async def add_user(self, user: User) -> User:
        values = _user_values(user)

        def add(connection: Connection) -> User:
            try:
                result = connection.execute(insert(USERS).values(values))
            except IntegrityError as error:
                raise NameTakenError(user.email) from error
            return replace(user, id=_inserted_id(result.inserted_primary_key))

        return await self._database.write(add)

    async def save_user(self, user: User, *, end_sessions: bool) -> None:
        def save(connection: Connection) -> None:
            connection.execute(
                update(USERS).where(USERS.c.id == user.id).values(_user_values(user))
            )
            if end_sessions:
                connection.execute(delete(SESSIONS).where(SESSIONS.c.user_id == user.id))

        await self._database.write(save)

    async def add_session(self, session: Session) -> None:
        """Add a session; expired ones, and the oldest of a user with very many, go."""
        oldest_kept = (
            select(SESSIONS.c.token_hash)
            .where(SESSIONS.c.user_id == session.user_id)
            .order_by(SESSIONS.c.last_seen_at.desc())
            .offset(_SESSIONS_PER_USER)
        )

        def add(connection: Connection) -> None:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.expires_at <= session.created_at))
            connection.execute(
                insert(SESSIONS).values(
                    token_hash=session.token_hash,
                    user_id=session.user_id,
                    created_at=session.created_at,
                    last_seen_at=session.last_seen_at,
                    expires_at=session.expires_at,
                    user_agent=session.user_agent,
                )
            )
            connection.execute(delete(SESSIONS).where(SESSIONS.c.token_hash.in_(oldest_kept)))

        await self._database.write(add)

    async def find_session(self, token_hash: str) -> tuple[Session, User] | None:
        def find(connection: Connection) -> tuple[Session, User] | None:
            sessions = select(SESSIONS).where(SESSIONS.c.token_hash == token_hash)
            row = connection.execute(sessions).mappings().first()
            if row is None:
                return None
            users = select(USERS).where(USERS.c.id == row["user_id"])
            user = _user(connection.execute(users).mappings().first())
            return None if user is None else (Session(**row), user)

        return await self._database.read(find)

    async def touch_session(self, session: Session) -> None:
        change = (
            update(SESSIONS)
            .where(SESSIONS.c.token_hash == session.token_hash)
            .values(last_seen_at=session.last_seen_at, expires_at=session.expires_at)
        )
        await self._database.write(lambda c: c.execute(change))

    async def delete_session(self, token_hash: str) -> None:
        change = delete(SESSIONS).where(SESSIONS.c.token_hash == token_hash)
        await self._database.write(lambda c: c.execute(change))

    async def add_token(self, token: ApiToken) -> ApiToken:
        def add(connection: Connection) -> ApiToken:
            try:
                result = connection.execute(
                    insert(API_TOKENS).values(
                        name=token.name,
                        token_hash=token.token_hash,
                        role=token.role.label,
                        created_at=token.created_at,
                        created_by=token.created_by,
                    )
                )
            except IntegrityError as error:
                raise NameTakenError(token.name) from error
            return replace(token, id=_inserted_id(result.inserted_primary_key))

        return await self._database.write(add)

    async def find_token(self, token_hash: str) -> ApiToken | None:
        query = select(API_TOKENS).where(API_TOKENS.c.token_hash == token_hash)
        row = await self._database.read(lambda c: c.execute(query).mappings().first())
        return None if row is None else _token(row)

    async def list_tokens(self) -> list[ApiToken]:
        query = select(API_TOKENS).order_by(API_TOKENS.c.name).limit(_MOST_ACCOUNTS)
        return [
            _token(row)
            for row in await self._database.read(lambda c: c.execute(query).mappings().all())
        ]

    async def delete_token(self, token_id: int) -> bool:
        change = delete(API_TOKENS).where(API_TOKENS.c.id == token_id)
        return await self._database.write(lambda c: c.execute(change).rowcount > 0)

    async def touch_token(self, token: ApiToken) -> None:
        change = (
            update(API_TOKENS)
            .where(API_TOKENS.c.id == token.id)
            .values(last_used_at=token.last_used_at)
        )
        await self._database.write(lambda c: c.execute(change))


def _user(row: RowMapping | None) -> User | None:
    if row is None:
        return None
    values: dict[str, Any] = {**row, "role": Role.of(row["role"])}
    return User(**values)


def _token(row: RowMapping) -> ApiToken:
    values: dict[str, Any] = {**row, "role": Role.of(row["role"])}
    return ApiToken(**values)


def _inserted_id(key: Any) -> int:
    return int(key[0])


def _user_values(user: User) -> dict[str, Any]:
    return {
        "email": user.email,
        "name": user.name,
        "role": user.role.label,
        "password_hash": user.password_hash,
        "created_at": user.created_at,
        "disabled_at": user.disabled_at,
    }
