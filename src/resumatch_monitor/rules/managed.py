"""Rules that people make in the UI or by API: kept with their history, evaluated at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace

from resumatch_monitor.kit.cancelling import finish
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.rules.draft import (
    GroupSettings,
    InvalidRuleError,
    RuleDraft,
    check_draft,
    check_settings,
    problem,
)
from resumatch_monitor.rules.export import render_groups
from resumatch_monitor.rules.managed_groups import GroupBuilder
from resumatch_monitor.rules.managed_import import Imported, plan_import
from resumatch_monitor.rules.managed_store import (
    ManagedRule,
    ManagedRuleStore,
    VersionConflictError,
)
from resumatch_monitor.rules.model import LoadedRules, RuleFileError, RuleGroup
from resumatch_monitor.rules.policy import NO_DATA_KEY

MOST_MANAGED_RULES = 2_000
_MOST_TWINS = 20

ReplaceGroups = Callable[[Sequence[RuleGroup], Sequence[RuleFileError]], Awaitable[None]]
"""`RuleManager.replace_groups`."""


class NoSuchRuleError(Exception):
    """There is no managed rule with that id, or no such version of it."""


class GroupExistsError(Exception):
    """A group of that name is there already."""

    def __init__(self, group: str) -> None:
        super().__init__(f"there is a group {group!r} already; replace it, or name another")
        self.group = group


class ManagedRules:
    """Keeps managed rules and lets them be evaluated beside those of files."""

    def __init__(
        self,
        *,
        store: ManagedRuleStore,
        files: LoadedRules,
        replace_groups: ReplaceGroups,
        builder: GroupBuilder,
        clock: Clock,
        ids: Ids,
    ) -> None:
        """Prepare; `load` reads what there is.

        Args:
            store: Where they are kept.
            files: The rules of files, which stay as they are.
            replace_groups: Goes over to other rules.
            builder: Makes groups of them.
            clock: When something is changed.
            ids: Names new rules.
        """
        self._store = store
        self._files = files
        self._replace_groups = replace_groups
        self._check_expression = builder.check_expression
        self._builder = builder
        self._clock = clock
        self._ids = ids
        self._rules: dict[str, ManagedRule] = {}
        self._lock = asyncio.Lock()

    async def load(self) -> LoadedRules:
        """Read what is stored; return all rules, those of files included."""
        async with self._lock:
            self._take(await self._store.load())
            return self._build()

    def list_rules(self) -> list[ManagedRule]:
        """Return all managed rules, group by group."""
        return list(self._rules.values())

    def find(self, rule_id: str) -> ManagedRule:
        """Return a rule.

        Raises:
            NoSuchRuleError: If there is none.
        """
        try:
            return self._rules[rule_id]
        except KeyError:
            raise NoSuchRuleError(rule_id) from None

    async def create(self, draft: RuleDraft, *, by: str) -> ManagedRule:
        """Add a rule at the end of its group.

        Raises:
            InvalidRuleError: If it cannot be used.
        """
        checked = check_draft(draft, self._check_expression)
        async with self._lock:
            self._refuse_too_many(1)
            rule = ManagedRule(
                id=self._ids.uuid(),
                group=draft.group,
                position=self._next_position(draft.group),
                name=checked.rule.name,
                body=checked.body,
                settings=self._find_settings(draft),
                on_no_data=checked.rule.on_no_data,
                is_enabled=draft.is_enabled,
                version=1,
                updated_at=self._clock.now(),
                updated_by=by,
            )
            await self._save([rule])
        return rule

    async def update(self, rule_id: str, draft: RuleDraft, *, version: int, by: str) -> ManagedRule:
        """Make a rule what `draft` says, if its version still is `version`.

        Raises:
            NoSuchRuleError: If there is none.
            InvalidRuleError: If it cannot be used.
            VersionConflictError: If it was changed meanwhile.
        """
        checked = check_draft(draft, self._check_expression)
        async with self._lock:
            before = self._find_version(rule_id, version)
            is_moved = before.group != draft.group
            rule = replace(
                self._next(before, by),
                group=draft.group,
                position=self._next_position(draft.group) if is_moved else before.position,
                name=checked.rule.name,
                body=checked.body,
                settings=self._find_settings(draft, before),
                on_no_data=checked.rule.on_no_data,
                is_enabled=draft.is_enabled,
            )
            await self._save([rule])
        return rule

    async def set_enabled(
        self, rule_id: str, *, is_enabled: bool, version: int, by: str
    ) -> ManagedRule:
        """Switch a rule on or off; off, its alerts are resolved.

        Raises:
            NoSuchRuleError: If there is none.
            VersionConflictError: If it was changed meanwhile.
        """
        async with self._lock:
            before = self._find_version(rule_id, version)
            if before.is_enabled == is_enabled:
                return before
            rule = replace(self._next(before, by), is_enabled=is_enabled)
            await self._save([rule])
        return rule

    async def delete(self, rule_id: str, *, version: int, by: str) -> None:
        """Remove a rule; its alerts are resolved, its history stays.

        Raises:
            NoSuchRuleError: If there is none.
            VersionConflictError: If it was changed meanwhile.
        """
        async with self._lock:
            before = self._find_version(rule_id, version)
            await self._save([replace(self._next(before, by), is_deleted=True)])

    async def list_versions(
        self, rule_id: str, *, before: int | None = None, limit: int
    ) -> list[ManagedRule]:
        """Return versions of a rule, the newest first; also of one that was deleted.

        Raises:
            NoSuchRuleError: If there never was such a rule.
        """
        versions = await self._store.list_versions(rule_id, before=before, limit=limit)
        if not versions and before is None:
            raise NoSuchRuleError(rule_id)
        return versions

    async def revert(self, rule_id: str, *, to: int, version: int, by: str) -> ManagedRule:
        """Make a rule what it was in the version `to`; one that was deleted comes back.

        Raises:
            NoSuchRuleError: If there is no such version.
            InvalidRuleError: If it can be used no more.
            VersionConflictError: If `version` is not its last one.
        """
        async with self._lock:
            found = await self._store.list_versions(rule_id, before=to + 1, limit=1)
            if not found or found[0].version != to or found[0].is_deleted:
                raise NoSuchRuleError(f"{rule_id}, version {to}")
            old = found[0]
            self._builder.check_body(old.body)
            current = self._rules.get(rule_id)
            if current is None:
                self._refuse_too_many(1)
            stays = current is not None and current.group == old.group
            rule = replace(
                old,
                position=current.position if current and stays else self._next_position(old.group),
                settings=self._settings_among(old.group, rule_id) or old.settings,
                version=version + 1,
                updated_at=self._clock.now(),
                updated_by=by,
            )
            await self._save([rule])
        return rule

    async def change_group(self, name: str, settings: GroupSettings, *, by: str) -> None:
        """Give a group other settings; all of its rules get a new version.

        Raises:
            NoSuchRuleError: If there is no such group.
            InvalidRuleError: If the settings cannot be used.
        """
        problems = check_settings(settings)
        if problems:
            raise InvalidRuleError(problems)
        async with self._lock:
            members = self._members(name)
            if not members:
                raise NoSuchRuleError(name)
            await self._save(
                [
                    replace(self._next(each, by), settings=settings)
                    for each in members
                    if each.settings != settings
                ]
            )

    async def import_file(
        self, text: str, *, replaces: bool, by: str, is_trial: bool = False
    ) -> Imported:
        """Take over a Prometheus rule file, all of it or nothing.

        Args:
            text: The file's.
            replaces: Whether groups that are there already become what the file says.
            by: Who does it.
            is_trial: Whether only to say what would change.

        Raises:
            InvalidRuleError: If something in it cannot be used.
            GroupExistsError: If a group is there already.
        """
        # A large file takes a second.
        groups = await asyncio.to_thread(self._builder.read_file, text)
        async with self._lock:
            existing = [each.group.name for each in groups if self._members(each.group.name)]
            if existing and not replaces:
                raise GroupExistsError(existing[0])
            imported = plan_import(
                [(each, self._members(each.group.name)) for each in groups],
                new_id=self._ids.uuid,
                now=self._clock.now(),
                by=by,
            )
            self._refuse_too_many(len(imported.added) - len(imported.removed))
            if not is_trial:
                await self._save([*imported.added, *imported.changed, *imported.removed])
        return imported

    def find_twins(self, rule_id: str) -> list[str]:
        """Return where there are other rules of the name and labels of a rule, for people.

        Their alerts would be taken for one another.

        Raises:
            NoSuchRuleError: If there is no such rule.
        """
        own = self._builder.check_quietly(self.find(rule_id))
        if own is None:
            return []
        return [
            f"{group.file}:{rule.line}" if rule.line else f"{group.file}, group {group.name}"
            for group in self._build().groups
            for rule in group.rules
            if rule.managed_id != rule_id
            and (type(rule), rule.name, sorted(rule.labels))
            == (type(own), own.name, sorted(own.labels))
        ][:_MOST_TWINS]

    async def export(self, *, only_managed: bool, is_extended: bool = False) -> str:
        """Return the rules that are evaluated as one rule file.

        Args:
            only_managed: Whether to leave out those of files.
            is_extended: Whether to say as well what Prometheus does not know, and refuses.
        """
        managed = self._builder.build(self._rules.values())
        remarks = [f"left out, cannot be used: {error}" for error in managed.errors]
        remarks += [
            f"left out, switched off: {rule.group} / {rule.name}"
            for rule in self._rules.values()
            if not rule.is_enabled
        ]
        groups = [*(() if only_managed else self._files.groups), *managed.groups]
        if not is_extended:
            remarks += [
                f"not in Prometheus' format: {group.name} / {rule.name}: {NO_DATA_KEY}: {policy}"
                for group in groups
                for rule in group.rules
                if (policy := rule.on_no_data) is not None
            ]
        return await asyncio.to_thread(render_groups, groups, remarks, is_extended=is_extended)

    def _next(self, rule: ManagedRule, by: str) -> ManagedRule:
        return replace(rule, version=rule.version + 1, updated_at=self._clock.now(), updated_by=by)

    def _find_version(self, rule_id: str, version: int) -> ManagedRule:
        rule = self.find(rule_id)
        if rule.version != version:
            raise VersionConflictError(rule_id)
        return rule

    def _find_settings(self, draft: RuleDraft, before: ManagedRule | None = None) -> GroupSettings:
        """Return the settings of the draft's group.

        Raises:
            InvalidRuleError: If the draft wants others than the group's other rules have.
        """
        common = self._settings_among(draft.group, "" if before is None else before.id)
        if common is None:
            own = before.settings if before is not None and before.group == draft.group else None
            return draft.settings or own or GroupSettings()
        if draft.settings is None or draft.settings == common:
            return common
        raise InvalidRuleError(
            [
                problem(
                    f"interval: the group {draft.group!r} has other settings; change them for the"
                    " whole group, or name another group",
                    "interval",
                )
            ]
        )

    def _settings_among(self, group: str, except_id: str) -> GroupSettings | None:
        """Return the settings of a group's other rules; None if there are none."""
        others = (each.settings for each in self._members(group) if each.id != except_id)
        return next(others, None)

    def _members(self, group: str) -> list[ManagedRule]:
        return [rule for rule in self._rules.values() if rule.group == group]

    def _next_position(self, group: str) -> int:
        return max((rule.position for rule in self._members(group)), default=-1) + 1

    def _refuse_too_many(self, more: int) -> None:
        if len(self._rules) + more > MOST_MANAGED_RULES:
            raise InvalidRuleError(
                [problem(f"there may be at most {MOST_MANAGED_RULES} rules here; files hold more")]
            )

    async def _save(self, rules: Sequence[ManagedRule]) -> None:
        if rules:
            # What is stored is evaluated, whoever has gone away.
            await finish(self._store_and_evaluate(rules))

    async def _store_and_evaluate(self, rules: Sequence[ManagedRule]) -> None:
        await self._store.save(rules)
        changed = {rule.id: rule for rule in rules}
        merged = {**self._rules, **changed}
        self._take(rule for rule in merged.values() if not rule.is_deleted)
        loaded = self._build()
        await self._replace_groups(loaded.groups, loaded.errors)

    def _build(self) -> LoadedRules:
        managed = self._builder.build(self._rules.values())
        return LoadedRules(
            [*self._files.groups, *managed.groups], [*self._files.errors, *managed.errors]
        )

    def _take(self, rules: Iterable[ManagedRule]) -> None:
        ordered = sorted(rules, key=lambda each: (each.group, each.position, each.id))
        self._rules = {rule.id: rule for rule in ordered}
