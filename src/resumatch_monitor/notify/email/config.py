"""Configuration of the e-mail integration."""

from typing import Literal

from pydantic import Field, SecretStr

from resumatch_monitor.kit.models import ConfigModel


class EmailConfig(ConfigModel):
    """An SMTP server and who is written to."""

    to: list[str] = Field(min_length=1)
    from_: str = Field(alias="from")
    host: str
    port: int = Field(default=587, gt=0, lt=65536)
    username: str = ""
    password: SecretStr = SecretStr("")
    tls: Literal["starttls", "implicit", "opportunistic", "none"] = "opportunistic"
    send_resolved: bool = True
