"""The seam through which everything gets identifiers and secrets."""

import secrets
import uuid
from typing import Protocol


class Ids(Protocol):
    """Makes identifiers and secrets."""

    def uuid(self) -> str:
        """Return a fresh UUID as 32 lower-case hexadecimal digits."""
        ...

    def token(self) -> str:
        """Return a fresh URL-safe secret of at least 256 bits."""
        ...


class RandomIds:
    """Identifiers from the system's random source."""

    def uuid(self) -> str:
        return uuid.uuid4().hex

    def token(self) -> str:
        return secrets.token_urlsafe(32)
