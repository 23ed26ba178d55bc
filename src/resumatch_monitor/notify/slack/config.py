"""Configuration of the Slack integration."""

from typing import Annotated

from pydantic import AfterValidator, SecretStr

from resumatch_monitor.kit.models import ConfigModel
from resumatch_monitor.notify.addresses import check_url


class SlackConfig(ConfigModel):
    """An incoming webhook."""

    webhook_url: Annotated[SecretStr, AfterValidator(check_url)]
    """The incoming webhook."""
    send_resolved: bool = True
    """Whether the end is told as well."""
