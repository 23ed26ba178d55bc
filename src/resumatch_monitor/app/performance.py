"""Performance: from segments to figures, series and findings."""

from resumatch_monitor.alerts.alert import AlertSink
from resumatch_monitor.app.base import Base, Loops
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.storage.sql.performance import SqlPerformanceStore
from resumatch_monitor.storage.sql.performance_read import SqlPerformanceReader
from resumatch_monitor.tracing.performance.recorder import PerformanceRecorder
from resumatch_monitor.tracing.performance.relay import FindingRelay
from resumatch_monitor.tracing.performance.retention import PerformanceRetention
from resumatch_monitor.tracing.performance.series import TransactionSeries
from resumatch_monitor.tracing.performance.vitals import VitalSeries


class PerformanceParts:
    """Everything about performance."""

    def __init__(self, base: Base, *, alerts: AlertSink, metadata: MetadataStore) -> None:
        """Build the parts.

        Args:
            base: What everything is built on.
            alerts: Where alerts about findings go.
            metadata: Gets what the series are.
        """
        config, database = base.config.performance, base.stores.database
        samples, slug_of = base.stores.samples, base.projects.slug
        self.reader = SqlPerformanceReader(database)
        store = SqlPerformanceStore(database, config, slug_of=slug_of)
        self._relay = FindingRelay(
            store=store,
            sink=alerts,
            severity=config.findings.severity,
            slug_of=slug_of,
            clock=base.clock,
        )
        self._series = TransactionSeries(
            sink=samples, metadata=metadata, slug_of=slug_of, clock=base.clock
        )
        self._vitals = VitalSeries(
            reader=self.reader,
            sink=samples,
            metadata=metadata,
            slug_of=slug_of,
            clock=base.clock,
        )
        self.recorder = PerformanceRecorder(
            store=store,
            traces=base.stores.traces,
            series=self._series,
            config=config,
            clock=base.clock,
            on_findings=self._relay.wake,
        )
        self._retention = PerformanceRetention(store=store, clock=base.clock)

    def loops(self) -> Loops:
        """Return what runs."""
        return {
            "performance: findings": self._relay.run,
            "performance: series": self._series.run,
            "performance: web vitals": self._vitals.run,
            "performance: retention": self._retention.run,
        }
