"""Where targets come from: the configuration itself, files, HTTP endpoints."""

from datetime import timedelta
from pathlib import PurePath

from pydantic import Field, field_validator, model_validator

from resumatch_monitor.kit.models import ConfigModel, Duration, FilePath, Text, drop_nothings
from resumatch_monitor.metrics.http_config import HTTPClientConfig

_ADDRESS_ENDS = frozenset("/?#@ ")
_SHORTEST_REFRESH = timedelta(seconds=1)
_FILE_SUFFIXES = (".json", ".yml", ".yaml")


def check_address(address: str) -> str:
    """Return `address` if it is one that can be scraped.

    Raises:
        ValueError: If it is not `host:port` or `host`; the message holds no password.
    """
    if not address or _ADDRESS_ENDS.intersection(address) or not address.isprintable():
        # What stands before an @ is likely a password.
        shown = address.rpartition("@")[2]
        raise ValueError(f"{shown!r} is not host:port; the path belongs in metrics_path")
    return address


def _check_refresh(interval: timedelta) -> timedelta:
    if interval < _SHORTEST_REFRESH:
        raise ValueError("must be at least 1s")
    return interval


class StaticConfig(ConfigModel):
    """Targets with the labels that they share."""

    targets: list[str] = Field(
        default_factory=list[str],
        description="Each `host:port`; with `relabel_configs`, whatever these make addresses of.",
    )
    labels: dict[str, Text] = Field(default_factory=dict[str, str])
    """Added to all series of these targets."""

    _skip_nothings = model_validator(mode="before")(drop_nothings)


class FileSDConfig(ConfigModel):
    """Prometheus' `file_sd_config`: targets from files, read again when they change."""

    files: list[FilePath] = Field(min_length=1)
    """JSON or YAML files; the last part of a path may be a pattern."""
    refresh_interval: Duration = timedelta(minutes=5)
    """How often they are read even if no change was noticed."""

    @field_validator("files")
    @classmethod
    def _check_files(cls, files: list[PurePath]) -> list[PurePath]:
        for path in files:
            if path.suffix not in _FILE_SUFFIXES:
                raise ValueError(f"{path.name!r} must end with .json, .yml or .yaml")
            if "*" in str(path.parent):
                raise ValueError(f"{str(path)!r}: only the last part may be a pattern")
        return files

    @field_validator("refresh_interval")
    @classmethod
    def _check_interval(cls, interval: timedelta) -> timedelta:
        return _check_refresh(interval)


class HTTPSDConfig(HTTPClientConfig):
    """Prometheus' `http_sd_config`: targets from an HTTP endpoint."""

    url: str
    """Answers JSON: `[{"targets": ["host:port"], "labels": {…}}]`."""
    refresh_interval: Duration = timedelta(seconds=60)
    """How often it is asked."""

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")) or not url.partition("://")[2]:
            raise ValueError("must begin with http:// or https:// and name a host")
        return url

    @field_validator("refresh_interval")
    @classmethod
    def _check_interval(cls, interval: timedelta) -> timedelta:
        return _check_refresh(interval)
