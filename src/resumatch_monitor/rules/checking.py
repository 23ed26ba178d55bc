"""Checks rule files as `check-rules` does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from resumatch_monitor.promql.parse import parse
from resumatch_monitor.rules.loader import load_rule_files
from resumatch_monitor.rules.model import RuleFileError, RuleGroup


@dataclass(frozen=True, slots=True)
class RuleCheck:
    """What was found in some rule files.

    Attributes:
        rule_count: How many rules can be used.
        errors: What cannot be used, with its place.
        remarks: What can be used and is likely a mistake, with its place.
    """

    rule_count: int
    errors: Sequence[RuleFileError]
    remarks: Sequence[str]


def check_rule_files(paths: Sequence[Path]) -> RuleCheck:
    """Read the files; it blocks."""
    loaded = load_rule_files(
        paths, check_expression=_check_expression, default_interval=timedelta(minutes=1)
    )
    count = sum(len(group.rules) for group in loaded.groups)
    return RuleCheck(count, loaded.errors, find_duplicates(loaded.groups))


def find_duplicates(groups: Sequence[RuleGroup]) -> list[str]:
    """Return a line for each rule that has the name and the labels of one before it."""
    seen: dict[tuple[type, str, frozenset[tuple[str, str]]], str] = {}
    found: list[str] = []
    for group in groups:
        for rule in group.rules:
            place = f"{group.file}:{rule.line}"
            first = seen.setdefault((type(rule), rule.name, frozenset(rule.labels)), place)
            if first != place:
                found.append(
                    f"{place}: {rule.name} is there already, with the same labels, at {first}"
                )
    return found


def _check_expression(text: str) -> None:
    parse(text)
