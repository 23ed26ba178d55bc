"""Configuration of the e-mail integration."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from resumatch_monitor.kit.models import ConfigModel
from resumatch_monitor.notify.addresses import check_address


class EmailConfig(ConfigModel):
    """An SMTP server and who is written to."""

    to: list[Annotated[str, AfterValidator(check_address)]] = Field(min_length=1, max_length=100)
    """Addresses."""
    from_: Annotated[str, AfterValidator(check_address)] = Field(alias="from")
    """The sender."""
    host: str = Field(min_length=1)
    """The SMTP server."""
    port: int = Field(default=587, gt=0, lt=65536)
    """Its port."""
    username: str = ""
    """Empty for no authentication."""
    password: SecretStr = SecretStr("")
    """The password."""
    tls: Literal["starttls", "implicit", "opportunistic", "none"] = "opportunistic"
    """`opportunistic` uses STARTTLS where it is offered."""
    send_resolved: bool = True
    """Whether the end is told as well."""
