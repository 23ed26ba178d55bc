"""`metrics.store`: another server for the samples, instead of the monitor's own store."""

from datetime import timedelta
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from resumatch_monitor.kit.models import ConfigModel, Duration, Size
from resumatch_monitor.metrics.http_config import HTTPClientConfig

_OURS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "x-prometheus-remote-write-version",
    }
)
_SENDABLE = frozenset(map(chr, range(0x20, 0x7F))) | {"\t"}
_MIB = 1024 * 1024
WRITE_PATH = "/api/v1/write"


class StoreQueueConfig(ConfigModel):
    """The queue of samples that the server has not taken; it is on the disk."""

    max_bytes: Size = Field(default=1024 * _MIB, ge=_MIB)
    """How much of the disk it may take; after that the oldest samples are given up."""
    max_age: Duration = timedelta(days=2)
    """Samples that have waited longer are given up; 0 for no limit."""
    max_samples_per_request: int = Field(default=10_000, gt=0, le=100_000)
    """How many samples are sent at once."""
    shards: int = Field(default=1, ge=1, le=16)
    """How many requests are under way at the same time; each series keeps its order."""
    resend_window: Duration = Field(
        default=timedelta(seconds=10),
        description="How long samples are kept after the server has taken them, to be sent once"
        " more if it was started anew meanwhile: VictoriaMetrics keeps what it has acknowledged in"
        " memory for some seconds.",
    )


class ExternalStoreConfig(HTTPClientConfig):
    """A server that speaks Prometheus' API: Prometheus, VictoriaMetrics, Mimir, Thanos."""

    follow_redirects: Literal[False] = False  # pyright: ignore[reportIncompatibleVariableOverride]
    """They are not followed: samples and credentials go to the address that stands here alone."""
    url: str
    """The address that `/api/v1/query` is below."""
    write_url: str = Field(
        default="",
        description="Where samples are sent by remote write 1.0, if not to `/api/v1/write` below"
        " `url`.",
    )
    headers: dict[str, SecretStr] = Field(default_factory=dict[str, SecretStr])
    """Sent with every request."""
    tenant: str = Field(
        default="", description="Sent as `X-Scope-OrgID`, which Mimir, Cortex and Loki read."
    )
    timeout: Duration = timedelta(seconds=30)
    """How long the server may take to answer a request with samples."""
    queue: StoreQueueConfig = Field(default_factory=StoreQueueConfig)

    @field_validator("url", "write_url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        if not url:
            return url
        try:
            parts = urlsplit(url)
            is_whole = parts.scheme in ("http", "https") and bool(parts.hostname)
            _ = parts.port
        except ValueError:
            is_whole = False
            parts = urlsplit("")
        if not is_whole:
            raise ValueError("must be an address such as http://prometheus:9090")
        if parts.username is not None or parts.password is not None:
            raise ValueError("credentials belong in basic_auth, not in the address")
        if parts.query or parts.fragment:
            raise ValueError("must have neither a query nor a fragment")
        return url.rstrip("/")

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            if not name or not name.replace("-", "").replace("_", "").isalnum():
                raise ValueError(f"{name!r} is no name of a header")
            if name.lower() in _OURS:
                raise ValueError(f"{name} is set by the monitor")
            if not _SENDABLE.issuperset(value.get_secret_value()):
                raise ValueError(f"the value of {name} cannot be sent: it is not plain ASCII")
        return headers

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.url:
            raise ValueError("url is required")
        names = {name.lower() for name in self.headers}
        kinds = (self.basic_auth, self.authorization, self.bearer_token, self.bearer_token_file)
        if "authorization" in names and any(kind is not None for kind in kinds):
            raise ValueError("headers has an Authorization beside the configured one")
        if self.tenant and "x-scope-orgid" in names:
            raise ValueError("give tenant or the header X-Scope-OrgID, not both")
        if not _SENDABLE.issuperset(self.tenant):
            raise ValueError("tenant cannot be sent: it is not plain ASCII")
        if self.timeout <= timedelta(0):
            raise ValueError("timeout must be longer than 0s")
        return self

    @property
    def address_for_writes(self) -> str:
        """Where samples are sent."""
        return self.write_url or self.url + WRITE_PATH

    @property
    def all_headers(self) -> dict[str, str]:
        """`headers` and `tenant` as they are sent."""
        sent = {name: value.get_secret_value() for name, value in self.headers.items()}
        return {**sent, "X-Scope-OrgID": self.tenant} if self.tenant else sent
