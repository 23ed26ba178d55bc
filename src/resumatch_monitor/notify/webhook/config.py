"""Configuration of the webhook integration."""

from typing import Annotated

from pydantic import AfterValidator, SecretStr

from resumatch_monitor.kit.models import ConfigModel
from resumatch_monitor.notify.addresses import check_url


class WebhookConfig(ConfigModel):
    """A URL that takes Alertmanager's version 4 payload."""

    url: Annotated[SecretStr, AfterValidator(check_url)]
    """Where it is sent."""
    bearer_token: SecretStr = SecretStr("")
    """Sent as `Authorization: Bearer …`."""
    secret: SecretStr = SecretStr("")
    """Signs what is sent: `X-Signature-256` is `sha256=` and the hexadecimal HMAC-SHA-256, with
    this as its key, of `X-Signature-Timestamp` (seconds since 1970), a full stop and the body."""
    send_resolved: bool = True
    """Whether the end is told as well."""
