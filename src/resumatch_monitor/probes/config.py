"""`probes`: what is tried from outside, how often, and what counts as down."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from resumatch_monitor.kit.models import ConfigModel, Duration


class BaseProbeConfig(ConfigModel):
    """What every probe has."""

    name: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9 ._-]{0,62}$")
    """Shown on the pages and in messages."""
    interval: Duration = timedelta(seconds=60)
    """How often it is tried."""
    timeout: Duration = timedelta(seconds=10)
    """How long one try may take, everything included."""
    slow_after: Duration = Field(
        default=timedelta(seconds=5), description="A slower answer counts as degraded."
    )
    down_after: Duration = Field(
        default=timedelta(minutes=1), description="How long it fails before an outage opens."
    )
    severity: Literal["critical", "warning", "info"] = "critical"
    """Severity of its alert `ProbeDown`."""
    labels: dict[str, str] = Field(default_factory=dict[str, str])
    """Added to its alerts."""
    runbook_url: str = ""
    """Linked in its messages."""


class HTTPProbeConfig(BaseProbeConfig):
    """An HTTP request and what its answer must be."""

    type: Literal["http"]
    """An HTTP probe."""
    url: str = Field(pattern=r"^https?://")
    """What is requested."""
    method: Literal["GET", "HEAD", "POST"] = "GET"
    """How."""
    headers: dict[str, SecretStr] = Field(default_factory=dict[str, SecretStr])
    """Sent with the request."""
    expected_status: list[int] = Field(
        default_factory=list[int], description="Empty for any 2xx or 3xx."
    )
    keyword: str = Field(default="", description="Text that the body must contain.")
    verify_tls: bool = True
    """Whether the certificate must be valid."""
    follow_redirects: bool = True
    """At most five."""


class PostgresProbeConfig(BaseProbeConfig):
    """A connection to PostgreSQL and `SELECT 1`."""

    type: Literal["postgres"]
    """A PostgreSQL probe."""
    dsn: SecretStr
    """postgresql://user:password@host:port/database"""


class RedisProbeConfig(BaseProbeConfig):
    """A connection to Redis and `PING`."""

    type: Literal["redis"]
    """A Redis probe."""
    url: SecretStr
    """redis://user:password@host:port/0 or unix:///path"""


ProbeConfig = Annotated[
    HTTPProbeConfig | PostgresProbeConfig | RedisProbeConfig, Field(discriminator="type")
]
