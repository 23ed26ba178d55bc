"""Signing in and out, sessions, tokens, and the account of the first start."""

import hashlib
import ipaddress
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from resumatch_monitor.accounts.model import ApiToken, Principal, Role, Session, User
from resumatch_monitor.accounts.passwords import Passwords
from resumatch_monitor.accounts.throttle import Throttle
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.kit.ids import Ids

_SEEN_INTERVAL = timedelta(minutes=5)
_TOKEN_PREFIX = "rmm_"  # noqa: S105 - a public prefix, so that secret scanners recognise tokens


class AccountStore(Protocol):
    """Where accounts are kept."""

    async def find_user_by_email(self, email: str) -> User | None: ...

    async def find_user(self, user_id: int) -> User | None: ...

    async def list_users(self) -> list[User]: ...

    async def add_user(self, user: User) -> User:
        """Add `user`, ignoring its id, and return it with its own.

        Raises:
            NameTakenError: If the e-mail address is in use.
        """
        ...

    async def save_user(self, user: User, *, end_sessions: bool) -> None: ...

    async def add_session(self, session: Session) -> None: ...

    async def find_session(self, token_hash: str) -> tuple[Session, User] | None: ...

    async def touch_session(self, session: Session) -> None: ...

    async def delete_session(self, token_hash: str) -> None: ...

    async def add_token(self, token: ApiToken) -> ApiToken:
        """Add `token`, ignoring its id, and return it with its own.

        Raises:
            NameTakenError: If the name is in use.
        """
        ...

    async def find_token(self, token_hash: str) -> ApiToken | None: ...

    async def list_tokens(self) -> list[ApiToken]: ...

    async def delete_token(self, token_id: int) -> bool: ...

    async def touch_token(self, token: ApiToken) -> None: ...


class NameTakenError(Exception):
    """Something else has this name already."""


class UnknownUserError(Exception):
    """There is no account with this e-mail address."""


class LastAdminError(Exception):
    """The change would leave the monitor without an admin."""


class SignInRefusedError(Exception):
    """The e-mail address or the password is wrong, or the account is disabled."""


class TooManyAttemptsError(Exception):
    """Too many sign-ins failed; `wait_seconds` says how long to wait."""

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(f"Too many attempts; try again in {round(wait_seconds)} s.")
        self.wait_seconds = wait_seconds


@dataclass(frozen=True, slots=True)
class ProvisionedToken:
    """A token from the configuration."""

    name: str
    token: str
    role: Role


class Accounts:
    """Everything about who may use the monitor."""

    def __init__(
        self,
        *,
        store: AccountStore,
        clock: Clock,
        ids: Ids,
        session_lifetime: timedelta,
        provisioned: Sequence[ProvisionedToken] = (),
    ) -> None:
        self.store = store
        self._clock = clock
        self._ids = ids
        self._session_lifetime = session_lifetime
        self._passwords = Passwords()
        self._by_address = Throttle(failures=20, window_seconds=300)
        self._by_email = Throttle(failures=5, window_seconds=300)
        self._provisioned = {
            hash_token(token.token): Principal(f"token:{token.name}", token.role)
            for token in provisioned
        }

    async def ensure_admin(self, email: str, password: str | None) -> str | None:
        """Make the first account if there is none.

        Returns:
            The password that was made up for it, to be shown once; None if none was.
        """
        if await self.store.list_users():
            return None
        made_up = None if password else self._make_up_password()
        await self.add_user(
            email=email, name="Admin", role=Role.ADMIN, password=password or made_up or ""
        )
        return made_up

    async def sign_in(self, email: str, password: str, *, address: str, user_agent: str) -> str:
        """Start a session and return its token.

        Raises:
            TooManyAttemptsError: Before the password is even looked at.
            SignInRefusedError: Without telling which of the two was wrong.
        """
        email = email.strip().lower()
        address = _network_of(address)
        now = self._clock.monotonic()
        wait_seconds = max(
            self._by_address.wait_seconds(address, now), self._by_email.wait_seconds(email, now)
        )
        if wait_seconds > 0:
            raise TooManyAttemptsError(wait_seconds)
        # Counted before the slow check, so that many at once do not all get through.
        self._by_address.record_failure(address, now)
        self._by_email.record_failure(email, now)
        user = await self.store.find_user_by_email(email)
        fits = await self._passwords.verify(user.password_hash if user else None, password)
        if user is None or not fits or user.disabled_at is not None:
            raise SignInRefusedError
        self._by_address.forget(address)
        self._by_email.forget(email)
        return await self._start_session(user, user_agent)

    async def sign_out(self, token: str) -> None:
        """End the session of `token`, if there is one."""
        await self.store.delete_session(hash_token(token))

    async def authenticate_session(self, token: str) -> Principal | None:
        """Return the user whose unexpired session has `token`, and keep the session alive."""
        found = await self.store.find_session(hash_token(token))
        if found is None:
            return None
        session, user = found
        now = self._clock.now()
        if session.expires_at <= now or user.disabled_at is not None:
            return None
        if now - session.last_seen_at > _SEEN_INTERVAL:
            # Who has signed in can go on looking when the disk is full.
            with suppress(StorageUnavailableError):
                await self.store.touch_session(
                    replace(session, last_seen_at=now, expires_at=now + self._session_lifetime)
                )
        return Principal(user.email, user.role, user.id)

    async def authenticate_bearer(self, token: str) -> Principal | None:
        """Return the principal of a provisioned or a stored API token."""
        token_hash = hash_token(token)
        provisioned = self._provisioned.get(token_hash)
        if provisioned is not None:
            return provisioned
        found = await self.store.find_token(token_hash)
        if found is None:
            return None
        now = self._clock.now()
        if found.last_used_at is None or now - found.last_used_at > _SEEN_INTERVAL:
            with suppress(StorageUnavailableError):
                await self.store.touch_token(replace(found, last_used_at=now))
        return Principal(f"token:{found.name}", found.role)

    async def add_user(self, *, email: str, name: str, role: Role, password: str) -> User:
        """Add an account.

        Raises:
            PasswordError: If the password is not acceptable.
            NameTakenError: If the e-mail address is in use.
        """
        user = User(
            id=0,
            email=email.strip().lower(),
            name=name.strip(),
            role=role,
            password_hash=await self._passwords.hash(password),
            created_at=self._clock.now(),
            disabled_at=None,
        )
        return await self.store.add_user(user)

    async def change_user(
        self,
        user: User,
        *,
        name: str | None = None,
        role: Role | None = None,
        password: str | None = None,
        disabled: bool | None = None,
    ) -> User:
        """Change what is given; a new password, a lower role or disabling ends the sessions.

        Raises:
            PasswordError: If the password is not acceptable.
            LastAdminError: If no enabled admin would remain.
        """
        disabled_at = user.disabled_at
        if disabled is not None:
            disabled_at = (disabled_at or self._clock.now()) if disabled else None
        changed = replace(
            user,
            name=name.strip() if name is not None else user.name,
            role=role if role is not None else user.role,
            disabled_at=disabled_at,
        )
        if password is not None:
            changed = replace(changed, password_hash=await self._passwords.hash(password))
        if changed.role is not Role.ADMIN or changed.disabled_at is not None:
            await self._demand_other_admin(user.id)
        end_sessions = (
            password is not None or changed.disabled_at is not None or changed.role < user.role
        )
        await self.store.save_user(changed, end_sessions=end_sessions)
        return changed

    async def reset_password(self, email: str) -> str:
        """Give an account a password that is made up, and return it to be shown once.

        Raises:
            UnknownUserError: If there is no such account.
        """
        user = await self.store.find_user_by_email(email.strip().lower())
        if user is None:
            raise UnknownUserError(f"There is no account with the e-mail address {email}.")
        password = self._make_up_password()
        changed = replace(user, password_hash=await self._passwords.hash(password))
        await self.store.save_user(changed, end_sessions=True)
        return password

    async def add_token(self, *, name: str, role: Role, created_by: str) -> tuple[ApiToken, str]:
        """Make an API token and return it with its secret, which is not kept.

        Raises:
            NameTakenError: If the name is in use.
        """
        secret = _TOKEN_PREFIX + self._ids.token()
        token = ApiToken(
            id=0,
            name=name.strip(),
            token_hash=hash_token(secret),
            role=role,
            created_at=self._clock.now(),
            last_used_at=None,
            created_by=created_by,
        )
        return await self.store.add_token(token), secret

    def _make_up_password(self) -> str:
        return self._ids.token()[:20]

    async def _start_session(self, user: User, user_agent: str) -> str:
        token = self._ids.token()
        now = self._clock.now()
        await self.store.add_session(
            Session(
                token_hash=hash_token(token),
                user_id=user.id,
                created_at=now,
                last_seen_at=now,
                expires_at=now + self._session_lifetime,
                user_agent=user_agent[:200],
            )
        )
        return token

    async def _demand_other_admin(self, user_id: int) -> None:
        for user in await self.store.list_users():
            if user.id != user_id and user.role is Role.ADMIN and user.disabled_at is None:
                return
        raise LastAdminError


def _network_of(address: str) -> str:
    """Return what one party has at its disposal: an IPv4 address, or 64 bits of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)


def hash_token(token: str) -> str:
    """Return what is stored in place of a token: it has 256 bits, so a plain hash will do."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
