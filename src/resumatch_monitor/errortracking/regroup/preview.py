"""What a version of grouping would do to the issues that are there, seen on their stored events."""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from resumatch_monitor.errortracking.grouping.project import ProjectGrouping, group_event
from resumatch_monitor.errortracking.normalise import normalise
from resumatch_monitor.errortracking.regroup.model import MERGE_MAX, RegroupError
from resumatch_monitor.errortracking.regroup.stored import EventSamples, SampleEvent
from resumatch_monitor.kit.clock import Clock

logger = logging.getLogger(__name__)

ISSUES_MAX = 5_000
_EVENTS_PER_ISSUE = 20
_ISSUES_AT_ONCE = 25
_PROJECTS_MAX = 50


@dataclass(frozen=True, slots=True)
class PreviewedIssue:
    """An issue in a preview; `keys` is how many keys its events have by the new version."""

    id: int
    short_id: str
    title: str
    events: int
    keys: int


@dataclass(slots=True)
class Preview:
    """How far a preview is, and what it found.

    Attributes:
        joined: Sets of issues most of whose events would be one issue.
        split: Issues whose events would be several.
        problem: Why it ended early; empty if it did not.
    """

    project_id: int
    version: int
    started_at: datetime
    issues_total: int = 0
    issues_done: int = 0
    events_done: int = 0
    finished_at: datetime | None = None
    joined: list[list[PreviewedIssue]] = field(default_factory=list[list[PreviewedIssue]])
    split: list[PreviewedIssue] = field(default_factory=list[PreviewedIssue])
    problem: str = ""

    @property
    def is_running(self) -> bool:
        """Whether it still looks at events."""
        return self.finished_at is None


class Previews:
    """Makes previews in the background, one at a time, and remembers each project's last."""

    def __init__(self, *, samples: EventSamples, clock: Clock) -> None:
        self._samples = samples
        self._clock = clock
        self._last: dict[int, Preview] = {}
        self._next: tuple[Preview, ProjectGrouping] | None = None
        self._wake = asyncio.Event()

    def find(self, project_id: int) -> Preview | None:
        """Return a project's last preview."""
        return self._last.get(project_id)

    def forget(self, project_id: int) -> None:
        """Forget a project's preview, which no longer is what would happen."""
        self._last.pop(project_id, None)

    def start(self, project_id: int, how: ProjectGrouping, version: int) -> Preview:
        """Begin a preview of `version` for a project that groups like `how`.

        Raises:
            RegroupError: If another preview is being made.
        """
        if self._next is not None:
            raise RegroupError("A preview is being made; wait until it has ended.")
        preview = Preview(project_id, version, self._clock.now())
        self._last.pop(project_id, None)
        self._last[project_id] = preview
        while len(self._last) > _PROJECTS_MAX:
            del self._last[next(iter(self._last))]
        self._next = preview, replace(how, version=version, previous_version=None)
        self._wake.set()
        return preview

    async def run(self) -> None:
        """Make what is asked for until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.make()

    async def make(self) -> None:
        """Make the preview that is asked for, if one is."""
        if self._next is not None:
            try:
                await self._make(*self._next)
            finally:
                self._next = None

    async def _make(self, preview: Preview, how: ProjectGrouping) -> None:
        finder = _Finder()
        try:
            ids = await self._samples.list_issue_ids(preview.project_id, limit=ISSUES_MAX)
            preview.issues_total = len(ids)
            for start in range(0, len(ids), _ISSUES_AT_ONCE):
                page_ids = ids[start : start + _ISSUES_AT_ONCE]
                page = await self._samples.read_samples(page_ids, per_issue=_EVENTS_PER_ISSUE)
                await asyncio.to_thread(finder.add, page, how)
                preview.issues_done += len(page_ids)
                preview.events_done += len(page)
            preview.joined, preview.split = finder.joined(), finder.split()
        except Exception as error:
            logger.exception("A preview of grouping failed")
            preview.problem = f"The preview ended early: {type(error).__name__}."
        finally:
            preview.finished_at = self._clock.now()


class _Finder:
    """Gathers the new keys of each issue's events."""

    def __init__(self) -> None:
        self._keys: defaultdict[int, Counter[bytes]] = defaultdict(Counter)
        self._names: dict[int, tuple[str, str]] = {}

    def add(self, page: Sequence[SampleEvent], how: ProjectGrouping) -> None:
        """Group some events."""
        for sample in page:
            self._keys[sample.issue_id][group_event(normalise(sample.raw), how).grouping.key] += 1
            self._names[sample.issue_id] = (sample.short_id, sample.title)

    def joined(self) -> list[list[PreviewedIssue]]:
        """Return sets of issues most of whose events have one key, the largest first."""
        by_key: defaultdict[bytes, list[int]] = defaultdict(list)
        for issue, keys in self._keys.items():
            by_key[keys.most_common(1)[0][0]].append(issue)
        sets = [
            [self._describe(issue) for issue in sorted(issues)[:MERGE_MAX]]
            for issues in by_key.values()
            if len(issues) > 1
        ]
        return sorted(sets, key=lambda issues: -len(issues))

    def split(self) -> list[PreviewedIssue]:
        """Return the issues whose events have several keys, those with the most first."""
        found = [self._describe(issue) for issue, keys in self._keys.items() if len(keys) > 1]
        return sorted(found, key=lambda issue: -issue.keys)

    def _describe(self, issue: int) -> PreviewedIssue:
        short_id, title = self._names[issue]
        keys = self._keys[issue]
        return PreviewedIssue(issue, short_id, title, keys.total(), len(keys))
