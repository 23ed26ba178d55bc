"""The whole configuration as one tree; each section's model lives with its feature."""

import ipaddress
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from resumatch_monitor.collectors.config import CollectorsConfig
from resumatch_monitor.collectors.manager import build_collectors
from resumatch_monitor.crons.config import CronsConfig
from resumatch_monitor.dispatch.policy.config import AlertingConfig
from resumatch_monitor.errortracking.config import ErrorsConfig
from resumatch_monitor.kit.models import ConfigModel, Duration
from resumatch_monitor.logs.config import LogsConfig
from resumatch_monitor.metrics.config import GlobalConfig, MetricsConfig, ScrapeConfig
from resumatch_monitor.metrics.pool import build_pool
from resumatch_monitor.probes.config import ProbeConfig
from resumatch_monitor.probes.identity import find_duplicate_ids
from resumatch_monitor.rules.config import RulesConfig
from resumatch_monitor.sentry.config import IntakeConfig, ProjectConfig
from resumatch_monitor.sourcemaps.config import SourceMapsConfig
from resumatch_monitor.tracing.config import TracingConfig
from resumatch_monitor.tracing.performance.config import PerformanceConfig


class TokenConfig(ConfigModel):
    """An API token that is provisioned by configuration."""

    name: str
    """Shown in lists and in what the token did."""
    token: SecretStr = Field(min_length=16)
    """At least 16 characters; sent as `Authorization: Bearer …`."""
    role: Literal["upload", "viewer", "editor", "admin"]
    """What the token may do; `upload` is for builds: releases and source maps, and nothing else."""


class AdminConfig(ConfigModel):
    """The account of the first start; without a password one is made and printed once."""

    email: str = "admin@localhost"
    """The name to sign in with."""
    password: SecretStr | None = None
    """Used on the first start only."""


class AuthConfig(ConfigModel):
    """Who may use the monitor."""

    admin: AdminConfig = Field(default_factory=AdminConfig)
    tokens: list[TokenConfig] = Field(default_factory=list[TokenConfig])
    session_lifetime: Duration = timedelta(days=14)
    """How long a browser stays signed in without being used."""


def _check_network(text: str) -> str:
    ipaddress.ip_network(text)
    return text


class ServerConfig(ConfigModel):
    """The monitor's own HTTP server."""

    trusted_proxies: list[Annotated[str, AfterValidator(_check_network)]] = Field(
        default_factory=list[str],
        description=(
            "Addresses and networks of reverse proxies whose `X-Forwarded-For` is believed, for"
            " example `127.0.0.1` or `10.0.0.0/8`. Without them, everybody behind a proxy shares"
            " one allowance of failed sign-ins, and browsers' errors come from the proxy's address."
        ),
    )


class OutgoingConfig(ConfigModel):
    """What requests from the monitor may reach."""

    allowed_hosts: list[str] = Field(
        default_factory=list[str],
        description="Hosts that may resolve to link-local or metadata addresses.",
    )


class StorageConfig(ConfigModel):
    """What the storage engines share."""

    min_free_bytes: int = Field(
        default=256 * 1024 * 1024,
        ge=0,
        description="Ingest stops, by each protocol's own means, when less disk is free.",
    )


class MonitorConfig(ConfigModel):
    """The root of `monitor.yaml`."""

    external_url: str = Field(
        default="", description="Where people reach the monitor; used in messages' links."
    )
    server: ServerConfig = Field(default_factory=ServerConfig)
    auth: AuthConfig = Field(default_factory=AuthConfig)
    projects: list[ProjectConfig] = Field(default_factory=list[ProjectConfig])
    intake: IntakeConfig = Field(default_factory=IntakeConfig)
    errors: ErrorsConfig = Field(default_factory=ErrorsConfig)
    source_maps: SourceMapsConfig = Field(default_factory=SourceMapsConfig)
    tracing: TracingConfig = Field(default_factory=TracingConfig)
    performance: PerformanceConfig = Field(default_factory=PerformanceConfig)
    logs: LogsConfig = Field(default_factory=LogsConfig)
    crons: CronsConfig = Field(default_factory=CronsConfig)
    global_: GlobalConfig = Field(default_factory=GlobalConfig, alias="global")
    scrape_configs: list[ScrapeConfig] = Field(default_factory=list[ScrapeConfig])
    rule_files: list[Path] = Field(
        default_factory=list[Path],
        description="Prometheus rule files, patterns allowed, relative to this file.",
    )
    default_rules: bool = Field(
        default=True, description="Whether the shipped rules apply beside `rule_files`."
    )
    rules: RulesConfig = Field(default_factory=RulesConfig)
    metrics: MetricsConfig = Field(default_factory=MetricsConfig)
    collectors: CollectorsConfig = Field(default_factory=CollectorsConfig)
    probes: list[ProbeConfig] = Field(default_factory=list[ProbeConfig])
    alerting: AlertingConfig = Field(default_factory=AlertingConfig)
    outgoing: OutgoingConfig = Field(default_factory=OutgoingConfig)
    storage: StorageConfig = Field(default_factory=StorageConfig)

    @field_validator("probes")
    @classmethod
    def _check_probes(cls, probes: list[ProbeConfig]) -> list[ProbeConfig]:
        duplicates = find_duplicate_ids(probe.name for probe in probes)
        if duplicates:
            raise ValueError(f"two probes have the same name: {', '.join(duplicates)}")
        return probes

    @field_validator("projects")
    @classmethod
    def _check_projects(cls, projects: list[ProjectConfig]) -> list[ProjectConfig]:
        for what in ("id", "slug", "key"):
            counts = Counter(getattr(project, what) for project in projects)
            if counts and max(counts.values()) > 1:
                raise ValueError(f"two projects have the same {what}")
        keys = Counter(
            key for each in projects for key in (each.key, *(more.key for more in each.keys))
        )
        if keys and max(keys.values()) > 1:
            raise ValueError("two projects have the same key")
        return projects

    @field_validator("collectors")
    @classmethod
    def _check_collectors(cls, collectors: CollectorsConfig) -> CollectorsConfig:
        build_collectors(collectors)
        return collectors

    @field_validator("scrape_configs")
    @classmethod
    def _check_jobs(cls, configs: list[ScrapeConfig]) -> list[ScrapeConfig]:
        counts = Counter(config.job_name for config in configs)
        for name, count in counts.items():
            if count > 1:
                raise ValueError(f"two scrape_configs have the job_name {name!r}")
        return configs

    @model_validator(mode="after")
    def _check_pools(self) -> Self:
        for config in self.scrape_configs:
            build_pool(config, self.global_, self.metrics)
        return self
