"""What tags of issues hold, what searches are completed with, and searches that people keep."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from resumatch_monitor.errortracking.issues import Issue, IssueSort, TagUse


@dataclass(frozen=True, slots=True)
class TagDistribution:
    """The values of an issue's tag.

    Attributes:
        use: How often the tag was set, and the most frequent values.
        value_count: How many values are counted, at most 100.
    """

    use: TagUse
    value_count: int

    @property
    def other_count(self) -> int:
        """How many events had a value that is not listed."""
        return max(0, self.use.total - sum(count for _, count in self.use.values))


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A value that completes a search, and how many issues have it; None where nobody counts."""

    value: str
    issue_count: int | None = None


@dataclass(frozen=True, slots=True)
class SimilarIssue:
    """An issue that may have the same cause.

    Attributes:
        score: From 0 to 1, as `similarity.score` has it.
        title_score: What words of type, message and culprit they share.
        frame_score: What frames of their latest events they share; None if one has none.
    """

    issue: Issue
    score: float
    title_score: float
    frame_score: float | None


@dataclass(frozen=True, slots=True)
class SavedSearch:
    """A search with a name.

    Attributes:
        is_shared: Whether others see it, too.
    """

    id: int
    owner: str
    name: str
    query: str
    sort: IssueSort
    is_shared: bool
    created_at: datetime


class TooManySearchesError(Exception):
    """Somebody keeps as many searches as one may."""


class IssueFacets(Protocol):
    """Answers what issues have in common."""

    async def list_tags(self, issue_id: int, *, values: int) -> Sequence[TagDistribution]:
        """Return an issue's tags, by name, each with its most frequent values."""
        ...

    async def get_tag(self, issue_id: int, key: str) -> TagDistribution | None:
        """Return a tag with all of its values that are counted."""
        ...

    async def suggest_keys(self, prefix: str) -> Sequence[str]:
        """Return keys of tags that begin with `prefix`, by name."""
        ...

    async def suggest_values(self, key: str, prefix: str) -> Sequence[Suggestion]:
        """Return values of a field or tag that begin with `prefix`, the most frequent first."""
        ...

    async def list_similar(self, issue_id: int, now: datetime) -> Sequence[SimilarIssue]:
        """Return issues of the same project that resemble it, the most alike first."""
        ...


class SavedSearches(Protocol):
    """Keeps searches."""

    async def list_for(self, owner: str) -> Sequence[SavedSearch]:
        """Return somebody's own and those that are shared, by name."""
        ...

    async def find(self, search_id: int) -> SavedSearch | None:
        """Return a search."""
        ...

    async def add(self, search: SavedSearch) -> SavedSearch:
        """Keep a search; its id is given.

        Raises:
            TooManySearchesError: If its owner keeps too many.
        """
        ...

    async def replace(self, search: SavedSearch) -> None:
        """Change a search; one that is gone stays gone."""
        ...

    async def delete(self, search_id: int) -> None:
        """Forget a search."""
        ...
