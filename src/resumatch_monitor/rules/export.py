"""Writes rules as a Prometheus rule file."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import yaml
from typing_extensions import override

from resumatch_monitor.kit.durations import format_duration
from resumatch_monitor.rules.draft import RuleBody
from resumatch_monitor.rules.model import AlertingRule, Rule, RuleGroup
from resumatch_monitor.rules.policy import NO_DATA_KEY

_WIDTH = 100


def render_rule(body: RuleBody) -> str:
    """Render one rule as YAML."""
    return _dump(dict(body))


def render_groups(
    groups: Iterable[RuleGroup], remarks: Sequence[str] = (), *, is_extended: bool = False
) -> str:
    """Render `groups` as a rule file; one whose name is taken gets that of its file in front.

    Args:
        groups: What is in it.
        remarks: Comments at its head.
        is_extended: Whether to write keys that Prometheus does not know, and refuses.
    """
    names: set[str] = set()
    rendered: list[dict[str, Any]] = []
    for group in groups:
        name = group.name if group.name not in names else f"{group.file_name}: {group.name}"
        while name in names:
            name += "'"
        names.add(name)
        rendered.append(_render_group(name, group, is_extended=is_extended))
    head = "".join(f"# {line}\n" for remark in remarks for line in remark.splitlines())
    return head + _dump({"groups": rendered})


def describe_rule(rule: Rule) -> RuleBody:
    """Return `rule` as a rule file of Prometheus has it."""
    if not isinstance(rule, AlertingRule):
        body: dict[str, Any] = {"record": rule.name, "expr": rule.expr}
    else:
        body = {"alert": rule.name, "expr": rule.expr}
        if rule.hold_duration:
            body["for"] = format_duration(rule.hold_duration)
        if rule.keep_firing_for:
            body["keep_firing_for"] = format_duration(rule.keep_firing_for)
    if rule.labels:
        body["labels"] = dict(rule.labels)
    if isinstance(rule, AlertingRule) and rule.annotations:
        body["annotations"] = dict(rule.annotations)
    return body


def _render_group(name: str, group: RuleGroup, *, is_extended: bool) -> dict[str, Any]:
    rendered: dict[str, Any] = {"name": name, "interval": format_duration(group.interval)}
    if group.limit:
        rendered["limit"] = group.limit
    if group.query_offset:
        rendered["query_offset"] = format_duration(group.query_offset)
    rendered["rules"] = [
        {
            **describe_rule(rule),
            **({NO_DATA_KEY: rule.on_no_data.value} if is_extended and rule.on_no_data else {}),
        }
        for rule in group.rules
    ]
    return rendered


class _Dumper(yaml.CSafeDumper):
    """Writes texts of several lines as people do."""

    @override
    def represent_data(self, data: Any) -> yaml.nodes.Node:
        if isinstance(data, str) and "\n" in data:
            return yaml.nodes.ScalarNode("tag:yaml.org,2002:str", data, style="|")
        return cast("Any", super()).represent_data(data)

    @override
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _dump(document: Any) -> str:
    return str(
        yaml.dump(
            document,
            Dumper=_Dumper,
            sort_keys=False,
            default_flow_style=False,
            allow_unicode=True,
            width=_WIDTH,
        )
    )
