"""`logs.syslog`: where syslog is taken, and from whom."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from resumatch_monitor.kit.models import ConfigModel, Duration, FilePath, Size
from resumatch_monitor.logs.files.config import check_zone


def _check_address(text: str) -> str:
    host, separator, port = text.rpartition(":")
    if not separator or not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ValueError("write host:port, for example 127.0.0.1:6514")
    return text


class SyslogTlsConfig(ConfigModel):
    """The certificate that senders see; it is read again when its file changes."""

    cert_file: FilePath
    """PEM, with the certificates between it and the authority's."""
    key_file: FilePath
    """PEM, without a passphrase."""
    client_ca_file: FilePath | None = None
    """If set, only senders with a certificate of this authority may connect."""


class SyslogTokenConfig(ConfigModel):
    """A secret that senders put anywhere into a message; what a connection sends is then theirs."""

    token: SecretStr = Field(min_length=16)
    """At least 16 characters; it is taken out of messages."""
    project: str = ""
    """The slug of the project whose rules of scrubbing hold, and whose name the service has."""
    service: str = ""
    """The service of records that do not name one, instead of the application's name."""
    environment: str = ""
    """The environment of records that do not name one."""


class SyslogConfig(ConfigModel):
    """Syslog over TCP: RFC 5424 and 3164, counted, or ended by line feeds or NULs."""

    listen: Annotated[str, AfterValidator(_check_address)]
    """`host:port`."""
    tls: SyslogTlsConfig | None = None
    """Without it, messages come in clear."""
    tokens: list[SyslogTokenConfig] = Field(default_factory=list[SyslogTokenConfig], max_length=100)
    """Secrets by which senders are known."""
    require_token: bool | None = Field(
        default=None,
        description=(
            "Whether a connection is closed whose first message holds no token; by default if there"
            " are tokens."
        ),
    )
    service_from: Literal["app_name", "hostname"] = Field(
        default="app_name",
        description="What names the service; Render's log streams have it in the host's name.",
    )
    environment: str = ""
    """The environment of records that do not name one."""
    timezone: Annotated[str, AfterValidator(check_zone)] = "UTC"
    """The zone of times that name none, as those of RFC 3164."""
    max_message_bytes: Size = Field(
        default=64 * 1024,
        ge=1024,
        le=1024 * 1024,
        description="How long a message may be; a longer one is cut, and says so.",
    )
    max_connections: int = Field(default=500, ge=1, le=10_000)
    """Beyond it, connections are closed at once; one that owes its token makes room for another."""
    idle_timeout: Duration = Field(
        default=timedelta(days=1),
        ge=timedelta(seconds=1),
        description="A connection that says nothing for so long is closed.",
    )

    @model_validator(mode="after")
    def _check_tokens(self) -> Self:
        if self.require_token and not self.tokens:
            raise ValueError("require_token needs tokens")
        secrets = [each.token.get_secret_value() for each in self.tokens]
        if len(set(secrets)) < len(secrets):
            raise ValueError("two tokens are the same")
        return self

    @property
    def needs_token(self) -> bool:
        """Whether a connection must tell a token."""
        return bool(self.tokens) if self.require_token is None else self.require_token
