"""Configuration of the webhook integration."""

from pydantic import SecretStr

from resumatch_monitor.kit.models import ConfigModel


class WebhookConfig(ConfigModel):
    """A URL that takes Alertmanager's version 4 payload."""

    url: SecretStr
    bearer_token: SecretStr = SecretStr("")
    send_resolved: bool = True
