"""What is asked of whoever keeps the releases that builds announce."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from resumatch_monitor.releases.model import Commit, Deploy, Release, ReleaseChange, ReleasePage

MOST_COMMITS = 1_000
"""Of one release; the newest are kept."""
MOST_RELEASES = 5_000
"""Of one project; the oldest go."""
MOST_DEPLOYS = 200
"""Of one release; the oldest go."""


class ReleaseBook(Protocol):
    """Keeps releases; every method that changes something is one durable transaction."""

    async def announce(
        self, project_ids: Sequence[int], version: str, change: ReleaseChange, at: datetime
    ) -> Sequence[Release]:
        """Make the release in each project where it is not, apply `change`, return them all."""
        ...

    async def find(self, project_ids: Sequence[int], version: str) -> Sequence[Release]:
        """Return the release of that version of each of the projects that has it."""
        ...

    async def page(
        self, project_ids: Sequence[int], *, cursor: str | None, limit: int
    ) -> ReleasePage:
        """Return a page of the releases of some projects, the newest first.

        Raises:
            ValueError: If the cursor is not one of this list's.
        """
        ...

    async def delete(self, project_ids: Sequence[int], version: str) -> int:
        """Forget the release with its commits and deploys; return in how many projects."""
        ...

    async def set_commits(
        self, project_ids: Sequence[int], version: str, commits: Sequence[Commit]
    ) -> None:
        """Keep `commits`, the newest first, in the place of those that were kept."""
        ...

    async def commits(self, project_id: int, version: str, *, limit: int) -> Sequence[Commit]:
        """Return the commits of a release, the newest first."""
        ...


class NewIssues(Protocol):
    """Knows which issues a release brought."""

    async def count_new_issues(self, releases: Sequence[Release]) -> Mapping[tuple[int, str], int]:
        """Return by project and version how many issues were first seen in each release."""
        ...


class DeployBook(Protocol):
    """Keeps deploys; every method that changes something is one durable transaction."""

    async def add_deploys(self, deploys: Sequence[Deploy]) -> Sequence[Deploy]:
        """Keep `deploys`, ignoring their ids, and return them with their own."""
        ...

    async def deploys(
        self, project_ids: Sequence[int], version: str, *, limit: int
    ) -> Sequence[Deploy]:
        """Return the latest deploys of a version, the newest first."""
        ...
