"""The alert: the one thing that rules, issues and probes hand to dispatch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from resumatch_monitor.metrics.labels import Labels

ALERT_NAME = "alertname"
SEVERITY = "severity"


class AlertStatus(StrEnum):
    """Whether the condition holds."""

    FIRING = "firing"
    RESOLVED = "resolved"


class AlertSource(StrEnum):
    """What raised an alert."""

    RULE = "rule"
    ISSUE = "issue"
    PERFORMANCE = "performance"
    PROBE = "probe"
    HEARTBEAT = "heartbeat"
    LOG = "log"
    MONITOR = "monitor"
    PUSHED = "pushed"


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition that holds, or has ended, for one label set.

    Attributes:
        labels: Identify the alert; `alertname` is always present, `severity` usually.
        annotations: Text for people; not part of the identity.
        starts_at: Since when the condition holds.
        ends_at: None while it holds; when it ended otherwise.
        source: What raised it.
        generator_path: The page of the monitor that explains it, as a path with query; of a
            pushed alert, the address of its origin's page.
        is_event: Told once and never resolved, as a new issue is.
        value: The value that crossed the line, if there is one.
    """

    labels: Labels
    annotations: Mapping[str, str]
    starts_at: datetime
    source: AlertSource
    ends_at: datetime | None = None
    generator_path: str = ""
    is_event: bool = False
    value: float | None = None
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", self.labels.fingerprint)

    @property
    def status(self) -> AlertStatus:
        """Resolved once it has an end."""
        return AlertStatus.FIRING if self.ends_at is None else AlertStatus.RESOLVED

    @property
    def name(self) -> str:
        """The value of the label `alertname`."""
        return self.labels.get(ALERT_NAME, "")

    @property
    def severity(self) -> str:
        """The value of the label `severity`; `warning` when it is absent."""
        return self.labels.get(SEVERITY, "warning")


class AlertSink(Protocol):
    """Takes alerts on their way to people."""

    async def put(self, alerts: Sequence[Alert]) -> None:
        """Take `alerts`; when this returns, they are durable.

        Putting an alert again with the same fingerprint and status changes nothing but its
        annotations and value, so a source may repeat itself, after a crash for instance.
        """
        ...
