"""Configuration of the webhook integration."""

from pydantic import SecretStr

from resumatch_monitor.kit.models import ConfigModel


class WebhookConfig(ConfigModel):
    """A URL that takes Alertmanager's version 4 payload."""

    url: SecretStr
    """Where it is sent."""
    bearer_token: SecretStr = SecretStr("")
    """Sent as `Authorization: Bearer …`."""
    send_resolved: bool = True
    """Whether the end is told as well."""
