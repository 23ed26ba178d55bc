"""Releases as builds and deployments announce them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Release:
    """A version of a project's application.

    Attributes:
        created_at: When it was first announced.
        started_at: When the work on it began, if the build says so.
        released_at: When it was finalised; None until then.
        url: Where people read about it.
        ref: The commit, branch or tag that it was built from.
    """

    project_id: int
    version: str
    created_at: datetime
    started_at: datetime | None = None
    released_at: datetime | None = None
    url: str | None = None
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class ReleaseChange:
    """What is announced of a release; None leaves a value as it is."""

    started_at: datetime | None = None
    released_at: datetime | None = None
    url: str | None = None
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that a release contains and the release before did not."""

    sha: str
    repository: str = ""
    message: str = ""
    author_name: str = ""
    author_email: str = ""
    committed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Deploy:
    """A release that was brought to an environment.

    Attributes:
        id: 0 before it is stored.
        finished_at: When it was there.
    """

    id: int
    project_id: int
    version: str
    environment: str
    finished_at: datetime
    created_at: datetime
    name: str | None = None
    url: str | None = None
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReleasePage:
    """A page of releases, the newest first."""

    items: Sequence[Release]
    next_cursor: str | None
