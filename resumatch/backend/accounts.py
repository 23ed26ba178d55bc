"""Registering, signing in and leaving."""

import uuid
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from structlog.stdlib import get_logger

from resumatch.backend import audit
from resumatch.backend.auth import Passwords, Person, Sessions
from resumatch.backend.database import Database
from resumatch.backend.errors import ApiError
from resumatch.backend.metrics import Metrics
from resumatch.backend.models import User
from resumatch.backend.rate_limiting import RateLimiter
from resumatch.backend.redis_client import RedisClient, RedisUnavailableError

logger = get_logger(__name__)

_SYNTHETIC_LIFETIME = timedelta(days=1)


class Accounts:
    """The accounts and who is signed in to them."""

    def __init__(
        self,
        *,
        database: Database,
        redis: RedisClient,
        passwords: Passwords,
        sessions: Sessions,
        limiter: RateLimiter,
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._redis = redis
        self._passwords = passwords
        self._sessions = sessions
        self._limiter = limiter
        self._metrics = metrics

    async def register(self, email: str, password: str, *, is_synthetic: bool) -> uuid.UUID:
        """Make an account.

        Raises:
            ApiError: 409 if there is one already.
        """
        user = User(
            id=uuid.uuid4(),
            email=_normalize(email),
            password_hash=await self._passwords.hash(password),
            is_synthetic=is_synthetic,
            created_at=datetime.now(UTC),
        )
        try:
            async with self._database.transaction() as db:
                db.add(user)
        except IntegrityError:
            audit.record_failure(audit.Action.REGISTRATION, reason="already registered")
            raise ApiError(
                HTTPStatus.CONFLICT, "already_registered", "There is an account of this address."
            ) from None
        if not is_synthetic:
            self._metrics.user_registrations.inc()
        audit.record_success(audit.Action.REGISTRATION, user_id=user.id)
        return user.id

    async def login(self, email: str, password: str) -> uuid.UUID:
        """Return the account of this address and password.

        Raises:
            ApiError: 401 if they do not belong together.
        """
        statement = select(User.id, User.password_hash).where(User.email == _normalize(email))
        async with self._database.transaction() as db:
            row = (await db.execute(statement)).one_or_none()
        if not await self._passwords.verify(password, row.password_hash if row else None):
            # Attempts of the monitoring count as well: whoever stole its token must not be able
            # to guess passwords unseen.
            self._metrics.failed_logins.inc()
            audit.record_failure(
                audit.Action.LOGIN,
                reason="wrong password" if row else "unknown account",
                user_id=row.id if row else None,
            )
            raise ApiError(
                HTTPStatus.UNAUTHORIZED, "wrong_credentials", "Wrong address or password."
            )
        assert row is not None
        audit.record_success(audit.Action.LOGIN, user_id=row.id)
        return row.id

    async def delete(self, person: Person) -> None:
        """Remove everything of this person."""
        async with self._database.transaction() as db:
            await db.execute(delete(User).where(User.id == person.id))
        keys = self._limiter.keys_of(user_id=person.id, email=person.email)
        try:
            await self._redis.forget(str(person.id), keys)
        except RedisUnavailableError as error:
            # They are pseudonyms, and all of them expire within two hours.
            logger.warning("redis_keys_left_to_expire", error_message=str(error))
        audit.record_success(audit.Action.USER_DELETION, user_id=person.id)

    async def tidy(self) -> None:
        """Remove expired sessions, and accounts that a broken-off check left behind."""
        await self._sessions.delete_expired()
        oldest = datetime.now(UTC) - _SYNTHETIC_LIFETIME
        async with self._database.transaction() as db:
            left = await db.scalars(
                delete(User)
                .where(User.is_synthetic.is_(True), User.created_at < oldest)
                .returning(User.id)
            )
            removed = list(left)
        for user_id in removed:
            audit.record_success(
                audit.Action.USER_DELETION, user_id=user_id, reason="left by a broken-off check"
            )


def _normalize(email: str) -> str:
    return email.strip().lower()
