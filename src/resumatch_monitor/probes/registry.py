"""The kinds of probes, a line each.

A database's driver is loaded with the first probe of its kind: most monitors have none, and it
takes several mebibytes.
"""

# ruff: noqa: PLC0415

from collections.abc import Callable, Mapping
from typing import Any

from resumatch_monitor.probes.config import (
    PostgresProbeConfig,
    ProbeConfig,
    RedisProbeConfig,
)
from resumatch_monitor.probes.http import HTTPProbe
from resumatch_monitor.probes.probe import Probe
from resumatch_monitor.probes.tools import ProbeTools


def _build_postgres(config: PostgresProbeConfig, tools: ProbeTools) -> Probe:
    from resumatch_monitor.probes.postgres import PostgresProbe

    return PostgresProbe(config, tools)


def _build_redis(config: RedisProbeConfig, tools: ProbeTools) -> Probe:
    from resumatch_monitor.probes.redis import RedisProbe

    return RedisProbe(config, tools)


PROBES: Mapping[str, Callable[[Any, ProbeTools], Probe]] = {
    "http": HTTPProbe,
    "postgres": _build_postgres,
    "redis": _build_redis,
}


def build_probe(config: ProbeConfig, tools: ProbeTools) -> Probe:
    """Return the probe that `config` describes."""
    return PROBES[config.type](config, tools)
