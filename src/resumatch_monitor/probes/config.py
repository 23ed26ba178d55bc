"""`probes`: what is tried from outside, how often, and what counts as down."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from resumatch_monitor.kit.models import ConfigModel, Duration


class BaseProbeConfig(ConfigModel):
    """What every probe has."""

    name: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9 ._-]{0,62}$")
    interval: Duration = timedelta(seconds=60)
    timeout: Duration = timedelta(seconds=10)
    slow_after: Duration = Field(
        default=timedelta(seconds=5), description="A slower answer counts as degraded."
    )
    down_after: Duration = Field(
        default=timedelta(minutes=1), description="How long it fails before an outage opens."
    )
    severity: Literal["critical", "warning", "info"] = "critical"
    labels: dict[str, str] = Field(default_factory=dict[str, str])
    runbook_url: str = ""


class HTTPProbeConfig(BaseProbeConfig):
    """An HTTP request and what its answer must be."""

    type: Literal["http"]
    url: str = Field(pattern=r"^https?://")
    method: Literal["GET", "HEAD", "POST"] = "GET"
    headers: dict[str, SecretStr] = Field(default_factory=dict[str, SecretStr])
    expected_status: list[int] = Field(
        default_factory=list[int], description="Empty for any 2xx or 3xx."
    )
    keyword: str = Field(default="", description="Text that the body must contain.")
    verify_tls: bool = True
    follow_redirects: bool = True


class PostgresProbeConfig(BaseProbeConfig):
    """A connection to PostgreSQL and `SELECT 1`."""

    type: Literal["postgres"]
    dsn: SecretStr


class RedisProbeConfig(BaseProbeConfig):
    """A connection to Redis and `PING`."""

    type: Literal["redis"]
    url: SecretStr


ProbeConfig = Annotated[
    HTTPProbeConfig | PostgresProbeConfig | RedisProbeConfig, Field(discriminator="type")
]
