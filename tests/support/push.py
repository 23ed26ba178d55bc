"""What receives pushed metrics, over real stores."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.label_limits import LabelLimits
from resumatch_monitor.metrics.labels import Labels, Matcher, MatchOp
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.otlp.receiver import OtlpReceiver
from resumatch_monitor.metrics.push_config import PushConfig
from resumatch_monitor.metrics.receiver import PushTelemetry, RemoteWriteReceiver
from resumatch_monitor.metrics.samples import is_absent
from resumatch_monitor.storage.exemplars.log import ExemplarLog
from resumatch_monitor.storage.tsdb.disk import LocalDisk
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore

_FAR_AHEAD_MS = 10**9


class Room(LocalDisk):
    """A disk that a test fills."""

    is_full = False

    def free_bytes(self, folder: Path) -> int:
        return 0 if self.is_full else super().free_bytes(folder)


@dataclass
class PushStack:
    """Receivers and everything that they fill."""

    clock: Clock
    telemetry: Telemetry
    disk: Room
    store: TimeSeriesStore
    exemplars: ExemplarLog
    remote_write: RemoteWriteReceiver
    otlp: OtlpReceiver
    metadata: MetadataStore = field(default_factory=MetadataStore)

    @property
    def now_ms(self) -> int:
        """The present moment."""
        return to_milliseconds(self.clock.now())

    def samples(self, metric: str) -> dict[Labels, dict[int, float]]:
        """Return all samples of a metric by series and time."""
        matchers = [Matcher("__name__", MatchOp.EQUAL, metric)]
        return {
            labels: {
                time: value
                for time, value, absent in zip(
                    block.timestamps.tolist(), row.tolist(), is_absent(row), strict=True
                )
                if not absent
            }
            for block in self.store.select(matchers, 0, self.now_ms + _FAR_AHEAD_MS)
            for labels, row in zip(block.labels, block.values, strict=True)
        }

    def own_metric(self, name: str, **labels: str) -> float | None:
        """Return one of the monitor's own metrics."""
        return self.telemetry.registry.get_sample_value(f"resumatch_monitor_{name}", labels)


@contextmanager
def open_stack(
    folder: Path, *, clock: Clock, config: PushConfig | None = None
) -> Generator[PushStack]:
    """Yield receivers over stores in `folder`."""
    config = config or PushConfig()
    telemetry, disk, metadata = Telemetry(), Room(), MetadataStore()
    exemplars = ExemplarLog(folder / "exemplars", capacity=100)
    store = TimeSeriesStore(
        folder / "metrics", clock=clock, telemetry=telemetry, disk=disk, min_free_bytes=1
    )
    push = PushTelemetry(telemetry)
    store.open()
    exemplars.open()
    remote_write = RemoteWriteReceiver(
        sink=store, exemplars=exemplars, metadata=metadata, telemetry=push, limits=LabelLimits()
    )
    otlp = OtlpReceiver(
        sink=store,
        exemplars=exemplars,
        metadata=metadata,
        telemetry=push,
        config=config,
        limits=LabelLimits(),
        clock=clock,
    )
    try:
        yield PushStack(clock, telemetry, disk, store, exemplars, remote_write, otlp, metadata)
    finally:
        exemplars.close()
        store.close()
