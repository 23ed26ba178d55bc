"""`errors`: how many events are kept, what is scrubbed."""

from datetime import timedelta

from pydantic import Field, field_validator

from resumatch_monitor.errortracking.alerting.config import (
    IssueAlertRule,
    StormConfig,
    check_names,
    default_rules,
)
from resumatch_monitor.errortracking.grouping.rules import RuleError
from resumatch_monitor.errortracking.grouping.rules_parse import parse_rules
from resumatch_monitor.errortracking.workflow.owners import OwnerRule
from resumatch_monitor.kit.models import ConfigModel, Duration


class ErrorsConfig(ConfigModel):
    """Limits and retention of error events."""

    retention: Duration = timedelta(days=90)
    """How long events are kept."""
    events_per_issue: int = Field(
        default=1_000,
        gt=0,
        description="Of an issue with more events those that tell most are kept: the first, the"
        " latest, the first of a release or with a value of a tag, some of each time; counts stay.",
    )
    events_per_project: int = Field(
        default=1_000_000,
        gt=0,
        description="Of a project with more events its most frequent issues lose some.",
    )
    event_max_bytes: int = Field(default=1024 * 1024, gt=0)
    """A larger event is refused with 413."""
    envelope_max_bytes: int = Field(default=20 * 1024 * 1024, gt=0)
    """A larger envelope, unpacked, is refused with 413."""
    spool_max_bytes: int = Field(default=1024 * 1024 * 1024, gt=0)
    """How much may wait to be digested; beyond that SDKs are told to slow down."""
    scrub_keys: list[str] = Field(
        default_factory=list[str], description="Key names scrubbed beside the built-in ones."
    )
    new_issue_severity: str = Field(default="warning", pattern="^(critical|warning|info)$")
    """Severity of the alerts about issues whose rule names none: `critical`, `warning`, `info`."""
    alerts: list[IssueAlertRule] = Field(
        default_factory=default_rules,
        max_length=100,
        description="Rules over issues; by default one for each issue that is new, regressed, or"
        " archived and escalating. What is written here replaces those.",
    )
    storm: StormConfig = Field(default_factory=StormConfig)
    """Many issues that begin at the same time are told as one alert."""
    owners: list[OwnerRule] = Field(
        default_factory=list[OwnerRule],
        max_length=1_000,
        description="To whom new issues are assigned; of the rules that match, the last one.",
    )
    fingerprint_rules: dict[str, str] = Field(
        default_factory=dict[str, str],
        description="Fingerprint rules in Sentry's syntax, by the slug of a project; they are"
        " tried before those that were written in the UI.",
    )

    @field_validator("alerts")
    @classmethod
    def _check_alerts(cls, rules: list[IssueAlertRule]) -> list[IssueAlertRule]:
        return check_names(rules)

    @field_validator("fingerprint_rules")
    @classmethod
    def _check_rules(cls, rules: dict[str, str]) -> dict[str, str]:
        for slug, text in rules.items():
            try:
                parse_rules(text)
            except RuleError as error:
                raise ValueError(f"the rules of {slug}: {error}") from error
        return rules
