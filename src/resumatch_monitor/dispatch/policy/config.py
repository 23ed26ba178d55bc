"""`alerting`: receivers, and the policy that leads an alert to them."""

from collections import Counter
from datetime import timedelta
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from resumatch_monitor.dispatch.policy.config_check import (
    check_escalations,
    check_quiet_hours,
    check_receivers,
    check_route,
)
from resumatch_monitor.dispatch.policy.default_policy import Policy, build_default_policy
from resumatch_monitor.dispatch.policy.interval_config import NamedIntervalConfig
from resumatch_monitor.dispatch.policy.policy_config import (
    DigestsConfig,
    EscalationConfig,
    FlappingConfig,
    QuietHoursConfig,
)
from resumatch_monitor.dispatch.policy.route_config import RouteConfig
from resumatch_monitor.dispatch.policy.suppression_config import (
    DependencyConfig,
    InhibitRuleConfig,
    default_dependencies,
)
from resumatch_monitor.kit.models import ConfigModel, Duration
from resumatch_monitor.notify.config import ReceiverConfig

DEFAULT_RECEIVER = "default"
"""The receiver that is there even if none is configured; it then has no integrations."""


class AlertingConfig(ConfigModel):
    """Who is told about an alert, and how alerts are put together."""

    receivers: list[ReceiverConfig] = Field(default_factory=list[ReceiverConfig])
    """Who can be told."""
    route: RouteConfig | None = None
    """The root of the routing tree. Without one, critical alerts go to all channels at once;
    warnings, and any other severity, to chat at once, to mail in the daily digest, and to PagerDuty
    after 15 minutes without acknowledgement; info to mail in the weekly digest."""
    time_intervals: list[NamedIntervalConfig] = Field(default_factory=list[NamedIntervalConfig])
    """Recurring stretches of time, in Alertmanager's grammar."""
    escalations: list[EscalationConfig] = Field(default_factory=list[EscalationConfig])
    """Whom to tell of an alert that nobody acknowledges."""
    quiet_hours: list[QuietHoursConfig] = Field(default_factory=list[QuietHoursConfig])
    """When nothing new of some severities is told."""
    max_messages_per_hour: int = Field(default=60, ge=0, le=10_000)
    """To one receiver; what is beyond it becomes one summary. 0 for no limit."""
    digests: DigestsConfig = Field(default_factory=DigestsConfig)
    """When digests are made."""
    flapping: FlappingConfig = Field(default_factory=FlappingConfig)
    """When an alert is said to flap."""
    reopen_after: Duration = timedelta(hours=1)
    """How long an alert that a person resolved is not heard of if its condition just goes on."""
    inhibit_rules: list[InhibitRuleConfig] = Field(default_factory=list[InhibitRuleConfig])
    """Which alerts hold back which others, as in Alertmanager."""
    dependencies: list[DependencyConfig] = Field(
        default_factory=default_dependencies,
        description="What stands on what; without this, the shipped rules depend on the database.",
    )
    resolve_timeout: Duration = Field(
        default=timedelta(minutes=5),
        gt=timedelta(0),
        description="After which a pushed alert ends that does not say when it does.",
    )
    pagerduty_webhook_secret: SecretStr | None = None
    """The secret of a webhook subscription (v3) of PagerDuty that sends to
    `/api/monitor/hooks/pagerduty`: what people do there is done here as well."""
    retention: Duration = timedelta(days=90)
    """How long resolved alerts and sent notifications are kept."""

    @field_validator("time_intervals")
    @classmethod
    def _check_time_intervals(
        cls, intervals: list[NamedIntervalConfig]
    ) -> list[NamedIntervalConfig]:
        counts = Counter(interval.name for interval in intervals)
        twice = sorted(name for name, count in counts.items() if count > 1)
        if twice:
            raise ValueError(f"there are two time intervals called {twice[0]!r}")
        return intervals

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        intervals = {each.name for each in self.time_intervals}
        check_receivers(self.receivers)
        check_quiet_hours(self.quiet_hours, intervals)
        check_escalations(self.escalations, self.receivers, DEFAULT_RECEIVER)
        root = choose_root_receiver(self)
        if self.route is not None:
            check_route(
                self.route,
                root_receiver=root,
                receivers=self.receivers,
                default_receiver=DEFAULT_RECEIVER,
                escalations=self.escalations,
                intervals=intervals,
            )
        return self

    @property
    def policy(self) -> Policy:
        """The routing tree that applies, with the escalations that it names."""
        if self.route is not None:
            return Policy(self.route, self.escalations)
        name = choose_root_receiver(self)
        receiver = next((each for each in self.receivers if each.name == name), None)
        return build_default_policy(receiver, name)


def choose_root_receiver(config: AlertingConfig) -> str:
    """Return the receiver of alerts that no other route claims.

    Raises:
        ValueError: If it is left open and there are several to choose from.
    """
    if config.route is not None and config.route.receiver is not None:
        return config.route.receiver
    names = [receiver.name for receiver in config.receivers]
    if not names or DEFAULT_RECEIVER in names:
        return DEFAULT_RECEIVER
    if len(names) == 1:
        return names[0]
    raise ValueError(
        "several receivers and none called 'default': name one as alerting.route.receiver"
    )
