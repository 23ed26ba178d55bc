"""What keeps data: opened first, closed last."""

from dataclasses import dataclass
from pathlib import Path

from resumatch_monitor.app.folder import DATABASE_NAME
from resumatch_monitor.config.tree import MonitorConfig
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.storage.exemplars.log import ExemplarLog
from resumatch_monitor.storage.spool.metrics import SpoolTelemetry
from resumatch_monitor.storage.spool.spool import Spool, SpoolLimits
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore


@dataclass(frozen=True, slots=True)
class Stores:
    """The relational database, the time-series store, the spool of envelopes, the exemplars."""

    database: Database
    samples: TimeSeriesStore
    errors_spool: Spool
    exemplars: ExemplarLog

    def open(self) -> None:
        """Recover what is on disk; blocks.

        Raises:
            OSError: If a folder cannot be used.
        """
        self.database.start()
        self.samples.open()
        self.errors_spool.start()
        self.exemplars.open()

    def close(self) -> None:
        """Finish what is queued and close; blocks."""
        self.exemplars.close()
        self.errors_spool.stop()
        self.samples.close()
        self.database.stop()


def build_stores(
    config: MonitorConfig, *, folder: Path, clock: Clock, telemetry: Telemetry
) -> Stores:
    """Return the stores under `folder`, not yet open."""
    return Stores(
        database=Database(folder / DATABASE_NAME),
        samples=TimeSeriesStore(
            folder / "metrics",
            clock=clock,
            telemetry=telemetry,
            retention=config.metrics.retention,
            retention_size_bytes=config.metrics.retention_size_bytes,
            min_free_bytes=config.storage.min_free_bytes,
            max_series=config.metrics.max_series,
            page_cache_bytes=config.metrics.page_cache_bytes,
            select_max_samples=config.metrics.query_max_samples,
        ),
        errors_spool=Spool(
            folder / "spool" / "errors",
            limits=SpoolLimits(
                max_bytes=config.errors.spool_max_bytes,
                min_free_bytes=config.storage.min_free_bytes,
            ),
            metrics=SpoolTelemetry(telemetry).for_signal("errors"),
        ),
        exemplars=ExemplarLog(
            folder / "exemplars",
            capacity=config.metrics.push.max_exemplars,
            min_free_bytes=config.storage.min_free_bytes,
        ),
    )
