"""Users, tokens, and what they may do."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum


class Role(IntEnum):
    """What a principal may do; from viewer on, each role includes the ones below it.

    `UPLOAD` is for the tokens of builds: they announce releases and upload source maps, and can
    read nothing of what the monitor knows.
    """

    UPLOAD = 0
    VIEWER = 1
    EDITOR = 2
    ADMIN = 3

    @classmethod
    def of(cls, name: str) -> "Role":
        """Return the role called `name` (lower case).

        Raises:
            KeyError: If there is none.
        """
        return cls[name.upper()]

    @property
    def label(self) -> str:
        """The role's name as configuration and API write it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever makes a request: a signed-in user or a token.

    Attributes:
        name: An e-mail address, or `token:<name>`.
        role: What they may do.
        user_id: None for a token.
    """

    name: str
    role: Role
    user_id: int | None = None


@dataclass(frozen=True, slots=True)
class User:
    """A person who can sign in."""

    id: int
    email: str
    name: str
    role: Role
    password_hash: str
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser; the store knows only the hash of its token."""

    token_hash: str
    user_id: int
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    user_agent: str


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token for programs; the store knows only its hash."""

    id: int
    name: str
    token_hash: str
    role: Role
    created_at: datetime
    last_used_at: datetime | None
    created_by: str
