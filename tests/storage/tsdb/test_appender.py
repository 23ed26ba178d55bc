import functools
import threading
import weakref
from pathlib import Path

from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.storage.tsdb.admission import AppendLimits
from resumatch_monitor.storage.tsdb.appender import Appender
from resumatch_monitor.storage.tsdb.disk import LocalDisk
from resumatch_monitor.storage.tsdb.state import StoreState
from resumatch_monitor.storage.tsdb.telemetry import StoreTelemetry
from resumatch_monitor.storage.tsdb.wal import WalWriter
from tests.support.clock import FakeClock


class Large:
    """Stands for the cut of the head that a seal asks for."""


def test_what_was_asked_for_is_let_go_of_though_nothing_is_asked_next(tmp_path: Path) -> None:
    disk = LocalDisk()
    appender = Appender(
        folder=tmp_path,
        state=StoreState(),
        wal=WalWriter(tmp_path, disk=disk, segment_bytes=1 << 20, next_number=1),
        disk=disk,
        clock=FakeClock(),
        telemetry=StoreTelemetry(Telemetry()),
        limits=AppendLimits(
            min_free_bytes=0, max_series=10, max_head_samples=10, retention_ms=1000
        ),
    )
    appender.start()
    large, is_gone = Large(), threading.Event()
    weakref.finalize(large, is_gone.set)

    appender.call(functools.partial(id, large)).result()
    del large

    assert is_gone.wait(10)
    appender.stop()
