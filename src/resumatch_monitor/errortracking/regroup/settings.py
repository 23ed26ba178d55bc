"""Changing how a project groups: its rules, its version, the issues that become one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from resumatch_monitor.errortracking.grouping.project import (
    GroupingBook,
    ProjectGrouping,
    StoredGrouping,
)
from resumatch_monitor.errortracking.grouping.registry import CURRENT_VERSION, GROUPERS
from resumatch_monitor.errortracking.grouping.rules import RuleSet
from resumatch_monitor.errortracking.grouping.rules_parse import parse_rules
from resumatch_monitor.errortracking.regroup.model import (
    IssueRegrouper,
    NoSuchIssueError,
    RegroupError,
)
from resumatch_monitor.errortracking.regroup.preview import Preview, Previews
from resumatch_monitor.errortracking.regroup.stored import EventSamples
from resumatch_monitor.errortracking.regroup.trial import Trial, try_rules
from resumatch_monitor.kit.clock import Clock

_JOINS_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class GroupingChange:
    """A change of how a project groups."""

    at: datetime
    actor: str
    kind: str
    text: str


class GroupingStore(Protocol):
    """Keeps how projects group."""

    async def find_grouping(self, project_id: int) -> StoredGrouping | None:
        """Return how a project groups; None if it has not begun."""
        ...

    async def list_changes(self, project_id: int) -> Sequence[GroupingChange]:
        """Return a project's changes, the latest first, at most 50."""
        ...

    async def save_rules(
        self, project_id: int, rules: str, *, replacing: str, change: GroupingChange
    ) -> bool:
        """Keep rules, if they are still `replacing`; return whether they were."""
        ...

    async def save_version(
        self, project_id: int, version: int, *, until: datetime, change: GroupingChange
    ) -> bool:
        """Pin a project to a version, unless it is already; keys of before lead on until then."""
        ...


@dataclass(frozen=True, slots=True)
class Joined:
    """What came of joining issues."""

    merged: int
    sets: int
    remaining_sets: int


class GroupingSettings:
    """What people may ask of a project's grouping."""

    def __init__(
        self,
        *,
        store: GroupingStore,
        book: GroupingBook,
        samples: EventSamples,
        regrouper: IssueRegrouper,
        previews: Previews,
        clock: Clock,
        retention: timedelta,
    ) -> None:
        """Build on the stores; keys of an earlier version lead on for `retention`."""
        self.store = store
        self.previews = previews
        self._book = book
        self._samples = samples
        self._regrouper = regrouper
        self._clock = clock
        self._retention = retention

    def configured_rules(self, project_id: int) -> RuleSet:
        """Return the rules of the configuration, which are tried first."""
        return self._book.configured(project_id)

    async def find(self, project_id: int) -> StoredGrouping:
        """Return how a project groups, or will begin to."""
        found = await self.store.find_grouping(project_id)
        return found or StoredGrouping(project_id, CURRENT_VERSION)

    async def try_rules(self, project_id: int, rules: str) -> Trial:
        """Try rules on stored events, alone.

        Raises:
            RuleError: If they cannot be read.
        """
        stored = await self.find(project_id)
        how = ProjectGrouping(stored.version, rules=parse_rules(rules))
        return await try_rules(project_id, how, self._samples)

    async def save_rules(self, project_id: int, rules: str, *, replacing: str, actor: str) -> None:
        """Keep rules; events that come from then on are grouped by them.

        Raises:
            RuleError: If they cannot be read.
            RegroupError: If somebody else has changed them since they were `replacing`.
        """
        count = len(parse_rules(rules).rules)
        change = self._change(actor, "rules", f"Fingerprint rules changed; there are {count}")
        if not await self.store.save_rules(project_id, rules, replacing=replacing, change=change):
            raise RegroupError("Somebody else has changed the rules meanwhile; load them again.")
        self.previews.forget(project_id)

    async def preview(self, project_id: int, version: int) -> Preview:
        """Begin to look what a version would do.

        Raises:
            RegroupError: If there is no such version, or a preview is being made.
        """
        self._check_version(version)
        stored = await self.find(project_id)
        how = self._book.make(stored, self._clock.now())
        return self.previews.start(project_id, how, version)

    async def upgrade(self, project_id: int, version: int, *, actor: str) -> StoredGrouping:
        """Pin a project to a version; no issue is changed, and known keys lead where they led.

        Raises:
            RegroupError: If there is no such version, or it has it.
        """
        self._check_version(version)
        change = self._change(actor, "version", f"Grouping changed to version {version}")
        until = self._clock.now() + self._retention
        if not await self.store.save_version(project_id, version, until=until, change=change):
            raise RegroupError(f"The project has no events, or version {version} already.")
        return await self.find(project_id)

    async def join(self, project_id: int, *, actor: str) -> Joined:
        """Merge the sets of issues that the last preview found, some of them at once.

        Each merge is a transaction of its own, and can be undone on its own.

        Raises:
            RegroupError: If there is no preview that has ended, or it was of another version.
        """
        preview = self.previews.find(project_id)
        if preview is None or preview.is_running or preview.problem:
            raise RegroupError("Make a preview first.")
        if preview.version != (await self.find(project_id)).version:
            raise RegroupError("The preview is of another version than the project's.")
        merged = sets = 0
        while preview.joined and sets < _JOINS_AT_ONCE:
            first, *others = preview.joined[0]
            # The oldest one stays. What was merged or has expired since is left alone.
            try:
                outcome = await self._regrouper.merge(
                    first.id, [each.id for each in others], actor=actor, at=self._clock.now()
                )
                merged += len(outcome.other_ids)
            except NoSuchIssueError:
                pass
            preview.joined.pop(0)
            sets += 1
        return Joined(merged, sets, len(preview.joined))

    def _check_version(self, version: int) -> None:
        if version not in GROUPERS:
            known = ", ".join(map(str, sorted(GROUPERS)))
            raise RegroupError(f"There is no version {version} of grouping; there are: {known}.")

    def _change(self, actor: str, kind: str, remark: str) -> GroupingChange:
        return GroupingChange(self._clock.now(), actor, kind, remark)
