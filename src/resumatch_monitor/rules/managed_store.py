"""What rules that are made in the UI or by API are, and what they need to have stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from resumatch_monitor.rules.draft import GroupSettings, RuleBody
from resumatch_monitor.rules.policy import NoDataPolicy


@dataclass(frozen=True, slots=True)
class ManagedRule:
    """A rule that people keep here and not in a file.

    Attributes:
        position: Its place in its group.
        name: Of its alerts or series.
        body: As a rule file has it.
        settings: Of its group; the same for all rules of it.
        version: From 1, by 1 for each change.
        is_deleted: Only ever true of a version in its history.
    """

    id: str
    group: str
    position: int
    name: str
    body: RuleBody
    settings: GroupSettings
    on_no_data: NoDataPolicy | None
    is_enabled: bool
    version: int
    updated_at: datetime
    updated_by: str
    is_deleted: bool = False


class VersionConflictError(Exception):
    """Somebody else has changed the rule meanwhile; nothing was stored.

    Attributes:
        rule_id: Which.
    """

    def __init__(self, rule_id: str) -> None:
        super().__init__(f"the rule {rule_id} has been changed meanwhile")
        self.rule_id = rule_id


class ManagedRuleStore(Protocol):
    """Keeps managed rules and their history. When a call returns, it is durable."""

    async def load(self) -> list[ManagedRule]:
        """Return all rules, group by group, in their order."""
        ...

    async def save(self, rules: Sequence[ManagedRule]) -> None:
        """Store a new version of each of `rules`, all or none; one that is deleted goes.

        Raises:
            VersionConflictError: If one does not follow the version that is stored.
        """
        ...

    async def list_versions(
        self, rule_id: str, *, before: int | None, limit: int
    ) -> list[ManagedRule]:
        """Return versions of a rule below `before`, the newest first; their position is 0."""
        ...
