"""Password hashes (argon2id, RFC 9106's second recommended choice), off the event loop."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 1_000
_AT_ONCE = 2


class PasswordError(ValueError):
    """The password is not acceptable; the message says why."""


class Passwords:
    """Hashes and verifies, at most two at a time: each takes 64 MiB for a moment."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        """Return the hash to store.

        Raises:
            PasswordError: If the password is too short, too long or not text.
        """
        if len(password) < SHORTEST_PASSWORD:
            raise PasswordError(f"A password needs at least {SHORTEST_PASSWORD} characters.")
        if len(password) > LONGEST_PASSWORD:
            raise PasswordError(f"A password has at most {LONGEST_PASSWORD} characters.")
        if not _is_encodable(password):
            raise PasswordError("A password has only characters that can be stored.")
        async with self._slots:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Tell whether `password` fits; for an unknown user (None) it takes as long and fails."""
        async with self._slots:
            return await asyncio.to_thread(self._verify, password_hash, password)

    def _verify(self, password_hash: str | None, password: str) -> bool:
        if len(password) > LONGEST_PASSWORD or not _is_encodable(password):
            return False
        if password_hash is None:
            if self._nobody is None:
                self._nobody = self._hasher.hash("nobody has this password")
            self._matches(self._nobody, password)
            return False
        return self._matches(password_hash, password)

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False


def _is_encodable(password: str) -> bool:
    try:
        password.encode()
    except UnicodeEncodeError:
        return False
    return True
