"""What stands on what: as configured, or else the default and what the sections tell."""

from collections.abc import Iterator

from resumatch_monitor.config.tree import MonitorConfig
from resumatch_monitor.dispatch.policy.suppression_config import DependencyConfig
from resumatch_monitor.kit.network import mask_dsn
from resumatch_monitor.metrics.labels import Matcher, MatchOp
from resumatch_monitor.probes.config import PostgresProbeConfig, RedisProbeConfig

_DOWN_ALERTS = {"postgres": "DatabaseConnectionFailed", "redis": "RedisDown"}


def find_dependencies(config: MonitorConfig) -> list[DependencyConfig]:
    """Return the dependencies that apply, from the ground up.

    Unless there are `alerting.dependencies`, the probe of a database depends on the alert of the
    collector that asks the same database: they notice the same outage.
    """
    configured = config.alerting.dependencies
    if "dependencies" in config.alerting.model_fields_set:
        return configured
    # First: what others depend on is held back only by what stands before it.
    return [*_relate_probes(config), *configured]


def _relate_probes(config: MonitorConfig) -> Iterator[DependencyConfig]:
    collected = [
        *(("postgres", each.name, each.dsn) for each in config.collectors.postgres),
        *(("redis", each.name, each.url) for each in config.collectors.redis),
    ]
    for probe in config.probes:
        target = _find_target(probe)
        for kind, name, dsn in collected:
            if target == (kind, mask_dsn(dsn.get_secret_value())):
                yield DependencyConfig(
                    name=name,
                    on=[f'alertname="{_DOWN_ALERTS[kind]}"', _is("instance", name)],
                    affects=['alertname=~"ProbeDown|ProbeSlow"', _is("probe", probe.name)],
                )
                break


def _find_target(probe: object) -> tuple[str, str] | None:
    match probe:
        case PostgresProbeConfig():
            return probe.type, mask_dsn(probe.dsn.get_secret_value())
        case RedisProbeConfig():
            return probe.type, mask_dsn(probe.url.get_secret_value())
        case _:
            return None


def _is(name: str, value: str) -> str:
    return repr(Matcher(name, MatchOp.EQUAL, value))
