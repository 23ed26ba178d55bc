"""Files, what follows them, and the spool that their lines come to."""

import itertools
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import pytest

from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.logs.files.config import LogFileConfig
from resumatch_monitor.logs.files.following import Follower
from resumatch_monitor.logs.files.patterns import FilePattern
from resumatch_monitor.logs.files.positions import PositionFile
from resumatch_monitor.logs.files.tailer import Tailer
from resumatch_monitor.logs.metrics import LogMetrics
from resumatch_monitor.logs.reading import ChunkReader
from resumatch_monitor.logs.receiver import LogReceiver
from resumatch_monitor.logs.record import LogRecord
from resumatch_monitor.storage.spool.metrics import SpoolTelemetry
from resumatch_monitor.storage.spool.spool import Spool
from resumatch_monitor.storage.spool.state import SpoolLimits
from tests.support.clock import FakeClock


class Following:
    """Follows `logs/*.log`; `restart` does what a new process does after whatever end."""

    def __init__(self, folder: Path, *, max_bytes: int = 64 * 1024 * 1024) -> None:
        self.folder = folder / "logs"
        self.folder.mkdir()
        self._state = folder / "state" / "positions.json"
        self._lives = itertools.count(1)
        self.clock = FakeClock()
        telemetry = Telemetry()
        self.spool = Spool(
            folder / "spool",
            limits=SpoolLimits(max_bytes=max_bytes, min_free_bytes=1, segment_bytes=max_bytes // 4),
            metrics=SpoolTelemetry(telemetry).for_signal("logs"),
        )
        self.spool.start()
        self._receiver = LogReceiver(
            spool=self.spool, metrics=LogMetrics(telemetry), clock=SystemClock()
        )
        self.configs = [self.config()]
        self._read = 0
        self.restart()

    def config(self, name: str = "*.log", **over: object) -> LogFileConfig:
        values = {"path": self.folder / name, "service": "api", **over}
        return LogFileConfig.model_validate(values)

    def restart(
        self, *configs: LogFileConfig, is_orderly: bool = False, max_files: int = 100
    ) -> None:
        if is_orderly:
            self.follower.close()
        self.configs = list(configs) or self.configs
        self.follower = Follower(
            [FilePattern(each) for each in self.configs],
            PositionFile(self._state),
            new_life=lambda: f"life{next(self._lives)}",
            max_files=max_files,
        )
        self.tailer = Tailer(follower=self.follower, receiver=self._receiver, clock=self.clock)

    async def records(self, *, seconds: float = 2.0, turns: int = 3) -> list[LogRecord]:
        """Return what came since the last call, each record once: what the index keeps."""
        for _ in range(turns):
            await self.tailer.turn()
            while self.follower.has_more:
                await self.tailer.turn()
            self.clock.jump_monotonic(seconds)
        return await self.drain()

    async def drain(self) -> list[LogRecord]:
        """Return what is in the spool."""
        batch = await self.spool.read_batch(10_000, 64 * 1024 * 1024)
        if batch.count:
            await self.spool.commit(batch)
        read = ChunkReader(oldest=timedelta(days=36500)).read(batch.records)
        assert not read.unreadable
        return read.records

    async def bodies(self, *, seconds: float = 2.0, turns: int = 3) -> list[str]:
        return [each.body for each in await self.records(seconds=seconds, turns=turns)]

    def write(self, name: str, text: str | bytes) -> None:
        with (self.folder / name).open("ab") as file:
            file.write(text.encode() if isinstance(text, str) else text)


@pytest.fixture
def following(tmp_path: Path) -> Generator[Following]:
    following = Following(tmp_path)
    yield following
    following.follower.close()
    following.spool.stop()
