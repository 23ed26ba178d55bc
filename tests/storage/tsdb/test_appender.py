import functools
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from typing_extensions import override

from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import SampleBatch, StoreFullError
from resumatch_monitor.storage.tsdb.admission import AppendLimits
from resumatch_monitor.storage.tsdb.appender import Appender
from resumatch_monitor.storage.tsdb.disk import LocalDisk
from resumatch_monitor.storage.tsdb.index import IdArray
from resumatch_monitor.storage.tsdb.merge import JoinedSeries
from resumatch_monitor.storage.tsdb.state import StoreState
from resumatch_monitor.storage.tsdb.telemetry import StoreTelemetry
from resumatch_monitor.storage.tsdb.wal import WalWriter
from tests.support.clock import FakeClock

CLOCK = FakeClock()


class Large:
    """Stands for the cut of the head that a seal asks for."""


class Unreadable(StoreState):
    """What is stored cannot be read."""

    @override
    def read(
        self, ids: IdArray, start_ms: int, end_ms: int, *, max_samples: int = 0
    ) -> list[JoinedSeries]:
        raise OSError(5, "Input/output error")


def make_appender(folder: Path, state: StoreState) -> Appender:
    disk = LocalDisk()
    return Appender(
        folder=folder,
        state=state,
        wal=WalWriter(folder, disk=disk, segment_bytes=1 << 20, next_number=1),
        disk=disk,
        clock=CLOCK,
        telemetry=StoreTelemetry(Telemetry()),
        limits=AppendLimits(
            min_free_bytes=0, max_series=10, max_head_samples=10, retention_ms=100_000
        ),
    )


def make_batch(seconds_ago: int) -> SampleBatch:
    return SampleBatch(
        [Labels.of(__name__="x")],
        np.array([0, 1], dtype=np.int64),
        np.array([to_milliseconds(CLOCK.now()) - 1000 * seconds_ago], dtype=np.int64),
        np.array([1.0]),
    )


def test_what_was_asked_for_is_let_go_of_though_nothing_is_asked_next(tmp_path: Path) -> None:
    appender = make_appender(tmp_path, StoreState())
    appender.start()
    large, is_gone = Large(), threading.Event()
    weakref.finalize(large, is_gone.set)

    appender.call(functools.partial(id, large)).result()
    del large

    assert is_gone.wait(10)
    appender.stop()


def test_a_failure_after_a_commit_amid_a_group_touches_nothing_that_is_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    appender = make_appender(tmp_path, Unreadable())
    # Before the thread begins, so that they are one group.
    first = appender.submit_batch(make_batch(5))
    older = appender.submit_batch(make_batch(9))
    appender.start()

    assert first.result(10) is None
    with pytest.raises(StoreFullError):
        older.result(10)
    assert appender.submit_batch(make_batch(1)).result(10) is None
    appender.stop()
    assert "A group of appends failed" not in caplog.text
