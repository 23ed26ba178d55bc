"""Configuration of the Apprise integration."""

import re
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from resumatch_monitor.kit.models import ConfigModel

_URL = re.compile(r"[A-Za-z][A-Za-z0-9]{1,29}://\S+")


def _check_url(url: SecretStr) -> SecretStr:
    if not _URL.fullmatch(url.get_secret_value()):
        raise ValueError(
            "must be an address of Apprise, such as ntfy://…; it is not shown, as it is a secret"
        )
    return url


class AppriseConfig(ConfigModel):
    """One of the hundred and more services of https://github.com/caronc/apprise."""

    url: Annotated[SecretStr, AfterValidator(_check_url)]
    """The service as Apprise writes it, for example `ntfys://ntfy.example.org/alerts`."""
    send_resolved: bool = True
    """Whether the end is told as well."""
