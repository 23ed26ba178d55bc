"""`global`, `scrape_configs` and `metrics`: what is scraped, how often, and how long it is kept."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from resumatch_monitor.kit.models import ConfigModel, Duration


class GlobalConfig(ConfigModel):
    """Prometheus' `global`."""

    scrape_interval: Duration = timedelta(seconds=15)
    scrape_timeout: Duration = timedelta(seconds=10)
    evaluation_interval: Duration = timedelta(seconds=15)
    external_labels: dict[str, str] = Field(default_factory=dict[str, str])


class StaticConfig(ConfigModel):
    """Targets with the labels that they share."""

    targets: list[str]
    labels: dict[str, str] = Field(default_factory=dict[str, str])


class BasicAuth(ConfigModel):
    """A user name and a password."""

    username: str
    password: SecretStr


class Authorization(ConfigModel):
    """An `Authorization` header."""

    type: str = "Bearer"
    credentials: SecretStr


class ScrapeConfig(ConfigModel):
    """Prometheus' `scrape_config`: a job and how its targets are scraped."""

    job_name: str
    scrape_interval: Duration | None = None
    scrape_timeout: Duration | None = None
    metrics_path: str = "/metrics"
    scheme: Literal["http", "https"] = "http"
    params: dict[str, list[str]] = Field(default_factory=dict[str, list[str]])
    honor_labels: bool = False
    honor_timestamps: bool = True
    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    sample_limit: int = Field(default=0, ge=0, description="0 for the store's own limit.")
    body_size_limit_bytes: int = Field(default=64 * 1024 * 1024, gt=0)
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
    retention_size_bytes: int = Field(default=0, ge=0, description="0 for no limit.")
    series_per_target: int = Field(default=50_000, gt=0)
    query_timeout: Duration = timedelta(seconds=30)
    query_max_samples: int = Field(default=50_000_000, gt=0)
