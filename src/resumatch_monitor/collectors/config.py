"""`collectors`: the databases whose own statistics are collected."""

from datetime import timedelta

from pydantic import Field, SecretStr

from resumatch_monitor.kit.models import ConfigModel, Duration


class PostgresCollectorConfig(ConfigModel):
    """A PostgreSQL server; its series carry `job="database"`."""

    name: str
    """The label `instance` of its series."""
    dsn: SecretStr = Field(description="postgresql://user:password@host:port/database")
    interval: Duration = timedelta(seconds=15)
    """How often it is asked."""
    timeout: Duration = timedelta(seconds=5)
    """How long one round may take."""


class RedisCollectorConfig(ConfigModel):
    """A Redis server; its series carry `job="redis"`."""

    name: str
    """The label `instance` of its series."""
    url: SecretStr = Field(description="redis://user:password@host:port/0 or unix:///path")
    interval: Duration = timedelta(seconds=15)
    """How often it is asked."""
    timeout: Duration = timedelta(seconds=5)
    """How long one round may take."""


class CollectorsConfig(ConfigModel):
    """All collectors."""

    postgres: list[PostgresCollectorConfig] = Field(default_factory=list[PostgresCollectorConfig])
    redis: list[RedisCollectorConfig] = Field(default_factory=list[RedisCollectorConfig])
