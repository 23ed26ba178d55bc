"""`alerting.receivers`: a receiver and the integrations that it sends through."""

from datetime import timedelta

from pydantic import Field, field_validator

from resumatch_monitor.kit.models import ConfigModel, Duration
from resumatch_monitor.kit.zones import find_zone
from resumatch_monitor.notify.apprise.config import AppriseConfig
from resumatch_monitor.notify.email.config import EmailConfig
from resumatch_monitor.notify.pagerduty.config import PagerDutyConfig
from resumatch_monitor.notify.slack.config import SlackConfig
from resumatch_monitor.notify.webhook.config import WebhookConfig


class ReceiverConfig(ConfigModel):
    """A named set of integrations; each gets every notification of the receiver."""

    name: str
    """What routes call it; `default` takes whatever no route names."""
    email: list[EmailConfig] = Field(default_factory=list[EmailConfig])
    """Mails."""
    slack: list[SlackConfig] = Field(default_factory=list[SlackConfig])
    """Slack messages."""
    webhook: list[WebhookConfig] = Field(default_factory=list[WebhookConfig])
    """Webhooks."""
    pagerduty: list[PagerDutyConfig] = Field(default_factory=list[PagerDutyConfig])
    """Incidents in PagerDuty."""
    apprise: list[AppriseConfig] = Field(default_factory=list[AppriseConfig])
    """The services that the library Apprise knows."""
    location: str = ""
    """The time zone of its readers, for example `Europe/Berlin`; that of `digests` without it."""

    fallback: str = ""
    """The receiver that is told instead when a destination of this one cannot be reached."""
    fallback_after: Duration = timedelta(minutes=5)
    """For how long a destination is tried before the fallback is told; one that says that it will
    never take the message is not tried again at all."""

    @field_validator("location")
    @classmethod
    def _check_location(cls, name: str) -> str:
        if name:
            find_zone(name)
        return name
