"""Sinks that keep what they are given, and builders."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import FloatArray, RowLayout, TimeArray, is_stale
from resumatch_monitor.probes.outage import Observation
from resumatch_monitor.probes.probe import ProbeResult

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


class RecordingSink:
    """Keeps rows; `latest` is the last value of each series, stale ones left out."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, int]] = []
        self.latest: dict[Labels, float] = {}
        self.failure: Exception | None = None
        self.written = asyncio.Event()

    async def append_row(
        self, target_key: str, layout: RowLayout, timestamp_ms: int, values: FloatArray
    ) -> None:
        if self.failure is not None:
            raise self.failure
        assert len(layout.labels) == len(values) == len(set(layout.labels))
        self.rows.append((target_key, timestamp_ms))
        self.written.set()
        for labels, value, stale in zip(layout.labels, values, is_stale(values), strict=True):
            if stale:
                self.latest.pop(labels, None)
            else:
                self.latest[labels] = float(value)

    async def append_samples(self, series: Sequence[tuple[Labels, TimeArray, FloatArray]]) -> None:
        raise NotImplementedError

    def find(self, name: str, **labels: str) -> list[float]:
        wanted = {"__name__": name, **labels}
        return [
            value
            for found, value in self.latest.items()
            if all(found.get(key) == each for key, each in wanted.items())
        ]

    def one(self, name: str, **labels: str) -> float:
        [value] = self.find(name, **labels)
        return value


class RecordingAlerts:
    """Keeps alerts; refuses them while `is_broken`."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.is_broken = False

    async def put(self, alerts: Sequence[Alert]) -> None:
        if self.is_broken:
            raise ConnectionError("no")
        self.alerts += alerts

    def summary(self) -> list[tuple[str, str]]:
        return [(alert.name, alert.status) for alert in self.alerts]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def observe(
    seconds: float, *, ok: bool = True, took: float = 0.1, message: str = ""
) -> Observation:
    result = ProbeResult(
        is_success=ok,
        duration_seconds=took,
        message=message or ("200 OK" if ok else "connection refused"),
    )
    return Observation(at=at(seconds), finished_at=at(seconds + took), result=result)


def slow(observation: Observation, took: float = 6.0) -> Observation:
    return replace(
        observation,
        result=replace(observation.result, duration_seconds=took),
        finished_at=observation.at + timedelta(seconds=took),
    )
