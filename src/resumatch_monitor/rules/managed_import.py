"""What an import of a rule file changes; pure decisions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from resumatch_monitor.rules.draft import RuleBody
from resumatch_monitor.rules.managed_groups import FileGroup
from resumatch_monitor.rules.managed_store import ManagedRule


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import makes, each as its new version."""

    added: Sequence[ManagedRule]
    changed: Sequence[ManagedRule]
    removed: Sequence[ManagedRule]


def plan_import(
    groups: Sequence[tuple[FileGroup, Sequence[ManagedRule]]],
    *,
    new_id: Callable[[], str],
    now: datetime,
    by: str,
) -> Imported:
    """Return how the members of each group become what the file says.

    A rule with the name and the labels of one that is there goes on as that one, with its history
    and the states of its alerts.
    """
    added: list[ManagedRule] = []
    changed: list[ManagedRule] = []
    removed: list[ManagedRule] = []

    def advance(rule: ManagedRule) -> ManagedRule:
        return replace(rule, version=rule.version + 1, updated_at=now, updated_by=by)

    for each, members in groups:
        left = list(members)
        for position, (rule, body) in enumerate(zip(each.group.rules, each.bodies, strict=True)):
            old = next((known for known in left if _is_same(known, rule.name, body)), None)
            if old is None:
                added.append(
                    ManagedRule(
                        id=new_id(),
                        group=each.group.name,
                        position=position,
                        name=rule.name,
                        body=body,
                        settings=each.settings,
                        on_no_data=rule.on_no_data,
                        is_enabled=True,
                        version=1,
                        updated_at=now,
                        updated_by=by,
                    )
                )
                continue
            left.remove(old)
            new = replace(
                old,
                body=body,
                position=position,
                settings=each.settings,
                # A file of Prometheus' does not say it, and takes nothing back.
                on_no_data=rule.on_no_data or old.on_no_data,
            )
            if new != old:
                changed.append(advance(new))
        removed += [replace(advance(rule), is_deleted=True) for rule in left]
    return Imported(added, changed, removed)


def _is_same(rule: ManagedRule, name: str, body: RuleBody) -> bool:
    return (
        rule.name == name
        and ("record" in rule.body) == ("record" in body)
        and rule.body.get("labels", {}) == body.get("labels", {})
    )
