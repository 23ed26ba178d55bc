"""Configuration of the PagerDuty integration."""

import re
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from resumatch_monitor.kit.models import ConfigModel
from resumatch_monitor.notify.addresses import check_base_url

_ROUTING_KEY = re.compile(r"[A-Za-z0-9]{32}")


def _check_routing_key(key: SecretStr) -> SecretStr:
    if not _ROUTING_KEY.fullmatch(key.get_secret_value()):
        raise ValueError(
            "must be the 32 letters and digits of an Events API v2 integration; it is not shown,"
            " as it is a secret"
        )
    return key


class PagerDutyConfig(ConfigModel):
    """A service of PagerDuty, through its Events API v2."""

    routing_key: Annotated[SecretStr, AfterValidator(_check_routing_key)]
    """The integration key of the service."""
    url: Annotated[str, AfterValidator(check_base_url)] = "https://events.pagerduty.com"
    """Where the Events API is; `https://events.eu.pagerduty.com` in Europe."""
    webhook_secret: SecretStr | None = None
    """The secret of a webhook subscription of this service, if it has one of its own; otherwise
    `alerting.pagerduty_webhook_secret` is for all."""
    send_resolved: bool = True
    """Whether the incident is resolved when the alerts have ended."""
