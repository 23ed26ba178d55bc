"""Probes: looking at services from outside."""

from resumatch_monitor.alerts.alert import AlertSink
from resumatch_monitor.app.base import Base
from resumatch_monitor.probes.reader import ProbeReader
from resumatch_monitor.probes.scheduler import ProbeScheduler
from resumatch_monitor.probes.tools import ProbeTools
from resumatch_monitor.storage.sql.probes import SqlProbeStore


class ProbeParts:
    """Everything about probes."""

    def __init__(self, base: Base, *, alerts: AlertSink) -> None:
        tools = ProbeTools(clock=base.clock, allowed_hosts=base.allowed_hosts)
        store = SqlProbeStore(base.stores.database)
        self.reader = ProbeReader(configs=base.config.probes, tools=tools, history=store)
        self.scheduler = ProbeScheduler(
            configs=base.config.probes,
            tools=tools,
            journal=store,
            backlog=store,
            sink=base.stores.samples,
            alerts=alerts,
            supervisor=base.supervisor,
            telemetry=base.telemetry,
        )
