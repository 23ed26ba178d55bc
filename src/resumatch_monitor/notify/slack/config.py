"""Configuration of the Slack integration."""

from pydantic import SecretStr

from resumatch_monitor.kit.models import ConfigModel


class SlackConfig(ConfigModel):
    """An incoming webhook."""

    webhook_url: SecretStr
    """The incoming webhook."""
    send_resolved: bool = True
    """Whether the end is told as well."""
