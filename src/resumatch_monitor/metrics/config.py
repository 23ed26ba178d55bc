"""`global`, `scrape_configs` and `metrics`: what is scraped, how often, and how long it is kept."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from resumatch_monitor.kit.models import ConfigModel, Duration
from resumatch_monitor.metrics.push_config import PushConfig

_ADDRESS_ENDS = frozenset("/?#@ ")


class GlobalConfig(ConfigModel):
    """Prometheus' `global`."""

    scrape_interval: Duration = timedelta(seconds=15)
    """How often targets are scraped."""
    scrape_timeout: Duration = timedelta(seconds=10)
    """How long a scrape may take."""
    evaluation_interval: Duration = timedelta(seconds=15)
    """How often rules are evaluated."""
    external_labels: dict[str, str] = Field(default_factory=dict[str, str])
    """Added to the alerts in every message; `$externalLabels` in rule templates."""


class StaticConfig(ConfigModel):
    """Targets with the labels that they share."""

    targets: list[str]
    """Each `host:port`."""
    labels: dict[str, str] = Field(default_factory=dict[str, str])
    """Added to all series of these targets."""

    @field_validator("targets")
    @classmethod
    def _check_targets(cls, targets: list[str]) -> list[str]:
        for address in targets:
            if not address or _ADDRESS_ENDS.intersection(address):
                # What stands before an @ is likely a password.
                shown = address.rpartition("@")[2]
                raise ValueError(f"{shown!r} is not host:port; the path belongs in metrics_path")
        return targets


class BasicAuth(ConfigModel):
    """A user name and a password."""

    username: str
    """The user name."""
    password: SecretStr
    """The password."""


class Authorization(ConfigModel):
    """An `Authorization` header."""

    type: str = "Bearer"
    """The scheme."""
    credentials: SecretStr
    """What follows the scheme."""


class ScrapeConfig(ConfigModel):
    """Prometheus' `scrape_config`: a job and how its targets are scraped."""

    job_name: str
    """The label `job` of its series."""
    scrape_interval: Duration | None = None
    """Instead of `global.scrape_interval`."""
    scrape_timeout: Duration | None = None
    """Instead of `global.scrape_timeout`."""
    metrics_path: str = "/metrics"
    """The path that is scraped."""
    scheme: Literal["http", "https"] = "http"
    """How the target is reached."""
    params: dict[str, list[str]] = Field(default_factory=dict[str, list[str]])
    """Query parameters."""
    honor_labels: bool = False
    """Whether labels of the target win over `job`, `instance` and the configured ones."""
    honor_timestamps: bool = True
    """Whether the target's own timestamps are used."""
    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    sample_limit: int = Field(default=0, ge=0, description="0 for the store's own limit.")
    # Room for the 50,000 series of `series_per_target`; several targets may answer at once.
    body_size_limit_bytes: int = Field(default=16 * 1024 * 1024, gt=0)
    """A larger answer, unpacked, is a failed scrape."""
    static_configs: list[StaticConfig] = Field(default_factory=list[StaticConfig])

    @model_validator(mode="after")
    def _check_timeout(self) -> Self:
        if (
            self.scrape_interval is not None
            and self.scrape_timeout is not None
            and self.scrape_timeout > self.scrape_interval
        ):
            raise ValueError("scrape_timeout is longer than scrape_interval")
        return self


class MetricsConfig(ConfigModel):
    """How long samples are kept and how much a target may send."""

    retention: Duration = timedelta(days=30)
    """How long samples are kept."""
    retention_size_bytes: int = Field(default=0, ge=0, description="0 for no limit.")
    series_per_target: int = Field(default=50_000, gt=0)
    """A target with more series is a failed scrape."""
    query_timeout: Duration = timedelta(seconds=30)
    """How long a query may take."""
    query_max_samples: int = Field(default=20_000_000, gt=0)
    """How many samples a query may load and make; each takes 8 bytes, for a while several times."""
    push: PushConfig = Field(default_factory=PushConfig)
