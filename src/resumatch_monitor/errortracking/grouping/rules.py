"""Fingerprint rules in Sentry's syntax: who matches is grouped as the rule says.

`error.type:Timeout stack.function:pay* -> payment, {{ transaction }} title="Payment timed out"`
https://docs.sentry.io/concepts/data-management/event-grouping/fingerprint-rules/
"""

from collections.abc import Sequence
from dataclasses import dataclass

from resumatch_monitor.errortracking.grouping.fingerprints import expand
from resumatch_monitor.errortracking.grouping.matching import Facts, Matcher
from resumatch_monitor.errortracking.model import Event


class RuleError(ValueError):
    """A rule cannot be read; `line` and `column` count from 1."""

    def __init__(self, message: str, *, line: int, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column

    def __str__(self) -> str:
        """Name the place first."""
        return f"line {self.line}, column {self.column}: {self.message}"


@dataclass(frozen=True, slots=True)
class FingerprintRule:
    """One line.

    Attributes:
        line: Where it stands, from 1.
        text: As it was written.
        fingerprint: With variables as they were written.
        title: Of the issues that it makes; empty for the usual one.
    """

    line: int
    text: str
    matchers: tuple[Matcher, ...]
    fingerprint: tuple[str, ...]
    title: str = ""

    def matches(self, facts: Facts) -> bool:
        """Tell whether every matcher holds; those about frames of one and the same frame."""
        return facts.satisfy(self.matchers)


@dataclass(frozen=True, slots=True)
class MatchedRule:
    """What a rule makes of an event: the fingerprint has its variables filled in."""

    rule: FingerprintRule
    fingerprint: tuple[str, ...]
    title: str


class RuleSet:
    """The rules of a project; the first that matches counts."""

    def __init__(self, rules: Sequence[FingerprintRule] = ()) -> None:
        self.rules = tuple(rules)

    def match(self, event: Event) -> MatchedRule | None:
        """Return the first rule that matches `event`."""
        if not self.rules:
            return None
        facts = Facts(event)
        rule = next((rule for rule in self.rules if rule.matches(facts)), None)
        if rule is None:
            return None
        return MatchedRule(
            rule,
            tuple(expand(part, event) for part in rule.fingerprint),
            expand(rule.title, event),
        )
