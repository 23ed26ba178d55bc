"""Passwords and sessions."""

import asyncio
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import delete, select

from resumatch.backend.config import Settings
from resumatch.backend.database import Database
from resumatch.backend.models import Session, User

# Each hash takes 64 MiB: two at a time are enough for a small machine, and a bound for any.
_HASHES_AT_A_TIME = 2


class Passwords:
    """Hashes and verifies with argon2id, off the event loop."""

    def __init__(self, *, settings: Settings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.password_rounds, memory_cost=settings.password_memory_kib
        )
        self._turns = asyncio.Semaphore(_HASHES_AT_A_TIME)
        self._nobodys_hash = self._hasher.hash(secrets.token_hex(16))

    async def hash(self, password: str) -> str:
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Say whether they belong together, taking as long for an account that is not there."""
        async with self._turns:
            matches = await asyncio.to_thread(
                self._matches, password, password_hash or self._nobodys_hash
            )
        return matches and password_hash is not None

    def _matches(self, password: str, password_hash: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False


@dataclass(frozen=True, slots=True)
class Person:
    """Whose request this is."""

    id: UUID
    email: str = field(repr=False)
    is_synthetic: bool
    created_at: datetime


class Sessions:
    """Signed, expiring tokens; each can be revoked, because its digest is a row."""

    def __init__(self, *, settings: Settings, database: Database) -> None:
        self._serializer = URLSafeTimedSerializer(
            settings.secret_key, salt="session", signer_kwargs={"digest_method": hashlib.sha256}
        )
        self._lifetime = timedelta(hours=settings.session_hours)
        self._database = database

    @property
    def lifetime_seconds(self) -> int:
        return int(self._lifetime.total_seconds())

    async def start(self, user_id: UUID) -> str:
        """Sign `user_id` in and return the token."""
        identifier = secrets.token_urlsafe(24)
        async with self._database.transaction() as db:
            db.add(
                Session(
                    digest=_digest(identifier),
                    user_id=user_id,
                    expires_at=datetime.now(UTC) + self._lifetime,
                )
            )
        return str(self._serializer.dumps(identifier))

    async def find(self, token: str) -> Person | None:
        """Return whose token this is, if it is genuine, not expired and not revoked."""
        identifier = self._identifier(token)
        if identifier is None:
            return None
        statement = (
            select(User.id, User.email, User.is_synthetic, User.created_at)
            .join(Session, Session.user_id == User.id)
            .where(Session.digest == _digest(identifier), Session.expires_at > datetime.now(UTC))
        )
        async with self._database.transaction() as db:
            row = (await db.execute(statement)).one_or_none()
        return Person(*row) if row else None

    async def end(self, token: str) -> None:
        """Revoke the token."""
        identifier = self._identifier(token)
        if identifier is None:
            return
        async with self._database.transaction() as db:
            await db.execute(delete(Session).where(Session.digest == _digest(identifier)))

    async def delete_expired(self) -> None:
        async with self._database.transaction() as db:
            await db.execute(delete(Session).where(Session.expires_at <= datetime.now(UTC)))

    def _identifier(self, token: str) -> str | None:
        try:
            return str(self._serializer.loads(token, max_age=self.lifetime_seconds))
        except BadSignature:
            return None


class Pseudonyms:
    """Turns an address into a key that says nothing about it."""

    def __init__(self, *, settings: Settings) -> None:
        self._key = hashlib.sha256(b"pseudonyms" + settings.secret_key.encode()).digest()

    def of(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:32]


def _digest(identifier: str) -> bytes:
    return hashlib.sha256(identifier.encode()).digest()
