"""Configuration of the e-mail integration."""

from typing import Literal

from pydantic import Field, SecretStr

from resumatch_monitor.kit.models import ConfigModel


class EmailConfig(ConfigModel):
    """An SMTP server and who is written to."""

    to: list[str] = Field(min_length=1)
    """Addresses."""
    from_: str = Field(alias="from")
    """The sender."""
    host: str
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
