"""What is behind the doors of logs: a spool, and what makes records of what lies in it."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.logs.metrics import LogMetrics
from resumatch_monitor.logs.reading import ChunkReader
from resumatch_monitor.logs.receiver import LogReceiver
from resumatch_monitor.logs.record import LogRecord
from resumatch_monitor.storage.spool.metrics import SpoolTelemetry
from resumatch_monitor.storage.spool.spool import Spool
from resumatch_monitor.storage.spool.state import SpoolLimits


@dataclass
class Disk:
    """What the spool sees of the disk; a test fills it."""

    is_full: bool = False

    def free_bytes(self, folder: Path) -> int:
        del folder
        return 0 if self.is_full else 1 << 40


@dataclass
class LogDoors:
    """The parts."""

    spool: Spool
    receiver: LogReceiver
    metrics: LogMetrics
    telemetry: Telemetry
    disk: Disk

    async def records(self) -> list[LogRecord]:
        """Return the records of what was taken since the last time."""
        batch = await self.spool.read_batch(10_000, 1 << 30)
        await self.spool.commit(batch)
        read = ChunkReader(oldest=timedelta(days=30), service_of=_name_service).read(batch.records)
        assert read.unreadable == 0
        return read.records

    async def record(self) -> LogRecord:
        """Return the only one."""
        (record,) = await self.records()
        return record


@contextmanager
def open_log_doors(folder: Path, *, clock: Clock) -> Generator[LogDoors]:
    """Yield the parts, opened."""
    telemetry, disk = Telemetry(), Disk()
    metrics = LogMetrics(telemetry)
    spool = Spool(
        folder / "spool",
        limits=SpoolLimits(max_bytes=1 << 30, min_free_bytes=1),
        metrics=SpoolTelemetry(telemetry).for_signal("logs"),
        free_bytes=disk.free_bytes,
    )
    spool.start()
    try:
        receiver = LogReceiver(spool=spool, metrics=metrics, clock=clock)
        yield LogDoors(spool, receiver, metrics, telemetry, disk)
    finally:
        spool.stop()


def _name_service(project_id: int) -> str:
    return f"project-{project_id}" if project_id else ""
