"""How one project groups: the version to which it is pinned, its rules, where it came from."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from resumatch_monitor.errortracking.grouping.grouping import Grouping
from resumatch_monitor.errortracking.grouping.registry import CURRENT_VERSION, GROUPERS
from resumatch_monitor.errortracking.grouping.rules import (
    FingerprintRule,
    MatchedRule,
    RuleError,
    RuleSet,
)
from resumatch_monitor.errortracking.grouping.rules_parse import parse_rules
from resumatch_monitor.errortracking.model import Event
from resumatch_monitor.sentry.projects import Projects


@dataclass(frozen=True, slots=True)
class ProjectGrouping:
    """How a project groups.

    Attributes:
        previous_version: The version whose keys still lead to their issues; None for none.
        rules: In the order in which they are tried.
    """

    version: int = CURRENT_VERSION
    previous_version: int | None = None
    rules: RuleSet = field(default_factory=RuleSet)


@dataclass(frozen=True, slots=True)
class Grouped:
    """Where an event belongs.

    Attributes:
        previous_key: Version and key by the version before; None without one.
        title: What a rule calls the issue; empty if none does.
    """

    grouping: Grouping
    previous_key: tuple[int, bytes] | None = None
    title: str = ""
    matched: MatchedRule | None = None


def group_event(event: Event, how: ProjectGrouping) -> Grouped:
    """Return where `event` belongs in a project that groups like that; never fails."""
    matched = how.rules.match(event)
    if matched is not None:
        event = replace(event, fingerprint=matched.fingerprint)
    grouping = GROUPERS.get(how.version, GROUPERS[CURRENT_VERSION])(event)
    if matched is not None:
        explanation = f"The fingerprint rule “{matched.rule.text}” matched. {grouping.explanation}"
        grouping = replace(grouping, explanation=explanation)
    return Grouped(
        grouping,
        _key_by(event, how.previous_version),
        matched.title if matched is not None else "",
        matched,
    )


def _key_by(event: Event, version: int | None) -> tuple[int, bytes] | None:
    grouper = GROUPERS.get(version) if version is not None else None
    return None if grouper is None or version is None else (version, grouper(event).key)


@dataclass(frozen=True, slots=True)
class StoredGrouping:
    """What is kept of how a project groups.

    Attributes:
        rules: The text of the rules that people wrote here.
        previous_until: Until when the keys of the version before lead to their issues.
    """

    project_id: int
    version: int
    previous_version: int | None = None
    previous_until: datetime | None = None
    rules: str = ""
    updated_at: datetime | None = None
    updated_by: str | None = None


class GroupingSource(Protocol):
    """Keeps how projects group; those that never sent are not known."""

    async def read_groupings(self) -> Sequence[StoredGrouping]:
        """Return every project that has begun."""
        ...


class ProjectGroupings:
    """How each project groups, at one moment."""

    def __init__(
        self,
        groupings: Mapping[int, ProjectGrouping],
        configured: Callable[[int], RuleSet],
    ) -> None:
        self._groupings = dict(groupings)
        self._configured = configured

    def of(self, project_id: int) -> ProjectGrouping:
        """Return how a project groups; one that has not begun begins with the current version."""
        found = self._groupings.get(project_id)
        if found is not None:
            return found
        return ProjectGrouping(rules=self._configured(project_id))

    def only(self, project_ids: Iterable[int]) -> "ProjectGroupings":
        """Return the same for a few projects, as something that another process can be told."""
        return ProjectGroupings({each: self.of(each) for each in project_ids}, _no_rules)


def _no_rules(_project_id: int) -> RuleSet:
    return RuleSet()


class GroupingBook:
    """Reads how projects group, and remembers the rules that it has parsed."""

    def __init__(
        self, source: GroupingSource, *, projects: Projects, configured_rules: Mapping[str, str]
    ) -> None:
        """Build on `source`; rules of the configuration, by slug, are tried before others."""
        self._source = source
        self._projects = projects
        self._configured = {slug: parse_rules(text) for slug, text in configured_rules.items()}
        self._parsed: dict[int, tuple[str, RuleSet]] = {}

    async def current(self, now: datetime) -> ProjectGroupings:
        """Return how each project groups now."""
        stored = await self._source.read_groupings()
        return ProjectGroupings(
            {each.project_id: self.make(each, now) for each in stored}, self.configured
        )

    def configured(self, project_id: int) -> RuleSet:
        """Return the rules of the configuration."""
        return self._configured.get(self._projects.slug(project_id), RuleSet())

    def make(self, stored: StoredGrouping, now: datetime) -> ProjectGrouping:
        """Return how a project groups by what is kept of it."""
        is_on_its_way = stored.previous_until is not None and now < stored.previous_until
        rules = (*self.configured(stored.project_id).rules, *self._parse(stored).rules)
        return ProjectGrouping(
            stored.version,
            stored.previous_version if is_on_its_way else None,
            RuleSet(rules),
        )

    def _parse(self, stored: StoredGrouping) -> RuleSet:
        known = self._parsed.get(stored.project_id)
        if known is None or known[0] != stored.rules:
            known = (stored.rules, _parse_leniently(stored.rules))
            self._parsed[stored.project_id] = known
        return known[1]


def _parse_leniently(text: str) -> RuleSet:
    """Leave out what this version cannot read, though an earlier one could."""
    rules: list[FingerprintRule] = []
    for line in text.splitlines():
        try:
            rules += parse_rules(line).rules
        except RuleError:
            continue
    return RuleSet(rules)
