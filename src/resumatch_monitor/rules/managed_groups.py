"""From managed rules to groups that can be evaluated, and from a rule file to managed rules."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

from resumatch_monitor.kit.durations import format_duration, parse_duration
from resumatch_monitor.kit.yamltree import YamlTree, parse_yaml
from resumatch_monitor.rules.draft import (
    GroupSettings,
    InvalidRuleError,
    RuleBody,
    check_settings,
    problem,
    tidy_body,
)
from resumatch_monitor.rules.loader import CheckExpression, parse_rule, parse_rule_file
from resumatch_monitor.rules.managed_store import ManagedRule
from resumatch_monitor.rules.model import LoadedRules, Rule, RuleFileError, RuleGroup

MANAGED_FILE = "managed"
"""What stands for the file of rules that are in none."""


@dataclass(frozen=True, slots=True)
class FileGroup:
    """A group of a rule file, with its rules as the file has them."""

    group: RuleGroup
    settings: GroupSettings
    bodies: Sequence[RuleBody]


class GroupBuilder:
    """Builds groups; knows what applies where a rule says nothing."""

    def __init__(
        self,
        *,
        check_expression: CheckExpression,
        default_interval: timedelta,
        default_offset: timedelta = timedelta(0),
    ) -> None:
        self.check_expression = check_expression
        self.default_interval = default_interval
        self._default_offset = default_offset
        # By id, with the version: to parse everything at each change would take seconds.
        self._parsed: dict[str, tuple[int, Rule | InvalidRuleError]] = {}

    def build(self, rules: Iterable[ManagedRule]) -> LoadedRules:
        """Return the groups of the rules that are switched on, and what is wrong with others."""
        groups: dict[str, RuleGroup] = {}
        errors: list[RuleFileError] = []
        members: dict[str, list[Rule]] = {}
        parsed: dict[str, tuple[int, Rule | InvalidRuleError]] = {}
        for managed in rules:
            parsed[managed.id] = known = self._parse(managed)
            if not managed.is_enabled:
                continue
            if isinstance(known[1], InvalidRuleError):
                # What an older version took may be refused by this one.
                message = str(known[1])
                errors.append(RuleFileError(MANAGED_FILE, 0, managed.group, managed.name, message))
                continue
            groups.setdefault(managed.group, self._build_group(managed))
            members.setdefault(managed.group, []).append(known[1])
        self._parsed = parsed
        built = [replace(group, rules=tuple(members[name])) for name, group in groups.items()]
        return LoadedRules(built, errors)

    def check_body(self, body: RuleBody) -> Rule:
        """Return the rule that `body` is.

        Raises:
            InvalidRuleError: If it cannot be used.
        """
        rule, errors = parse_rule(YamlTree(dict(body)), check_expression=self.check_expression)
        if rule is None or errors:
            raise InvalidRuleError([replace(each, line=0, column=0) for each in errors])
        return replace(rule, line=0)

    def check_quietly(self, managed: ManagedRule) -> Rule | None:
        """Return the rule that `managed` is, None if it cannot be used."""
        rule = self._parse(managed)[1]
        return None if isinstance(rule, InvalidRuleError) else rule

    def read_file(self, text: str) -> list[FileGroup]:
        """Return the groups of a rule file; the labels of a group are given to its rules.

        Raises:
            InvalidRuleError: If something in it cannot be used.
        """
        loaded = parse_rule_file(
            text,
            file="",
            check_expression=self.check_expression,
            default_interval=self.default_interval,
            default_offset=self._default_offset,
        )
        if loaded.errors:
            raise InvalidRuleError(loaded.errors)
        if not any(group.rules for group in loaded.groups):
            raise InvalidRuleError([problem("there are no rules in it")])
        tree = cast("dict[str, Any]", parse_yaml(text, as_text=True).value)
        return [
            self._read_group(group, item)
            for group, item in zip(loaded.groups, tree["groups"], strict=True)
        ]

    def _read_group(self, group: RuleGroup, item: dict[str, Any]) -> FileGroup:
        settings = GroupSettings(
            interval=_text_unless(group.interval, self.default_interval),
            query_offset=_text_unless(group.query_offset, self._default_offset),
            limit=group.limit,
        )
        problems = check_settings(settings)
        if problems:
            raise InvalidRuleError(problems)
        raw = cast("list[RuleBody]", item.get("rules") or [])
        bodies = [
            tidy_body({**body, "labels": dict(rule.labels)})
            for rule, body in zip(group.rules, raw, strict=True)
        ]
        return FileGroup(group, settings, bodies)

    def _parse(self, managed: ManagedRule) -> tuple[int, Rule | InvalidRuleError]:
        known = self._parsed.get(managed.id)
        if known is not None and known[0] == managed.version:
            return known
        try:
            rule = self.check_body(managed.body)
        except InvalidRuleError as error:
            return managed.version, error
        rule = replace(rule, managed_id=managed.id, on_no_data=managed.on_no_data)
        return managed.version, rule

    def _build_group(self, managed: ManagedRule) -> RuleGroup:
        settings = managed.settings
        return RuleGroup(
            name=managed.group,
            file=MANAGED_FILE,
            interval=_duration_or(settings.interval, self.default_interval),
            rules=(),
            limit=settings.limit,
            query_offset=_duration_or(settings.query_offset, self._default_offset),
        )


def _duration_or(text: str, default: timedelta) -> timedelta:
    return parse_duration(text) if text else default


def _text_unless(duration: timedelta, default: timedelta) -> str:
    return "" if duration == default else format_duration(duration)
