"""What a rule file says: groups of alerting and recording rules."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.rules.fields import Pairs
from resumatch_monitor.rules.policy import NoDataPolicy

ALERTS_METRIC = "ALERTS"
FOR_STATE_METRIC = "ALERTS_FOR_STATE"


@dataclass(frozen=True, slots=True)
class AlertingRule:
    """Raises an alert for every series that its expression yields.

    Attributes:
        name: The label `alertname` of its alerts.
        expr: PromQL.
        hold_duration: `for`: how long a series must persist before its alert fires.
        keep_firing_for: How long an alert goes on firing after its series has ended.
        labels: Added to the series' own; templates.
        annotations: Text for people; templates.
        line: Where the rule begins in its file.
        managed_id: Of a rule that was made in the UI or by API; empty for one of a file.
        on_no_data: Instead of the general policy.
    """

    name: str
    expr: str
    hold_duration: timedelta = timedelta(0)
    keep_firing_for: timedelta = timedelta(0)
    labels: Pairs = ()
    annotations: Pairs = ()
    line: int = field(default=0, compare=False)
    managed_id: str = ""
    on_no_data: NoDataPolicy | None = None


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """Stores what its expression yields under a name of its own."""

    name: str
    expr: str
    labels: Pairs = ()
    line: int = field(default=0, compare=False)
    managed_id: str = ""
    on_no_data: NoDataPolicy | None = None


Rule = AlertingRule | RecordingRule


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules that are evaluated together, one after the other.

    Attributes:
        name: Unique in its file.
        file: The file's path as it was given.
        interval: From one evaluation to the next.
        limit: The most alerts or series that one of its rules may yield; 0 for the general limit.
        query_offset: How far in the past the expressions are evaluated.
        rules: In the order of the file.
    """

    name: str
    file: str
    interval: timedelta
    rules: tuple[Rule, ...]
    limit: int = 0
    query_offset: timedelta = timedelta(0)

    @property
    def file_name(self) -> str:
        """The file's own name, which stays when an upgrade moves its folder."""
        return self.file.replace("\\", "/").rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class RuleKey:
    """Identifies a rule across restarts and reloads; its expression may change meanwhile.

    Attributes:
        file_name: Without the folder.
        group: The group's name.
        rule: The rule's name.
        digest: Of the labels that the rule adds and its place among rules equal in all this.
    """

    file_name: str
    group: str
    rule: str
    digest: str


def assign_rule_keys(groups: Sequence[RuleGroup]) -> list[list[RuleKey]]:
    """Return the keys of the rules of each group, in order; no two are the same."""
    counts: Counter[RuleKey] = Counter()
    return [[_make_key(group, rule, counts) for rule in group.rules] for group in groups]


def _make_key(group: RuleGroup, rule: Rule, counts: Counter[RuleKey]) -> RuleKey:
    kind = "alert" if isinstance(rule, AlertingRule) else "record"
    key = RuleKey(group.file_name, group.name, rule.name, _digest(rule.labels, kind))
    counts[key] += 1
    occurrence = counts[key]
    return key if occurrence == 1 else replace(key, digest=f"{key.digest}-{occurrence}")


# Most rules have the labels of many others.
@lru_cache(maxsize=4096)
def _digest(labels: Pairs, kind: str) -> str:
    return Labels((*labels, ("\x00kind", kind))).fingerprint


@dataclass(frozen=True, slots=True)
class RuleFileError:
    """Something in a rule file that cannot be used, and where it stands.

    Attributes:
        file: The file's path as it was given.
        line: From 1; 0 if the file could not be read at all.
        group: The group's name, None if the error is not inside one.
        rule: The rule's name, None if the error is not inside one.
        message: Names the key.
        field: The key and those around it inside the rule or group: `labels.severity`.
    """

    file: str
    line: int
    group: str | None
    rule: str | None
    message: str
    column: int = 0
    field: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return (
            f"{place}:{self.column}: {self.message}" if self.column else f"{place}: {self.message}"
        )


@dataclass(frozen=True, slots=True)
class LoadedRules:
    """What could be used of some rule files, and what could not."""

    groups: Sequence[RuleGroup]
    errors: Sequence[RuleFileError]
