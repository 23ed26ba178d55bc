"""The kinds of probes, a line each."""

from collections.abc import Callable, Mapping
from typing import Any

from resumatch_monitor.probes.config import ProbeConfig
from resumatch_monitor.probes.http import HTTPProbe
from resumatch_monitor.probes.postgres import PostgresProbe
from resumatch_monitor.probes.probe import Probe
from resumatch_monitor.probes.redis import RedisProbe
from resumatch_monitor.probes.tools import ProbeTools

PROBES: Mapping[str, Callable[[Any, ProbeTools], Probe]] = {
    "http": HTTPProbe,
    "postgres": PostgresProbe,
    "redis": RedisProbe,
}


def build_probe(config: ProbeConfig, tools: ProbeTools) -> Probe:
    """Return the probe that `config` describes."""
    return PROBES[config.type](config, tools)
