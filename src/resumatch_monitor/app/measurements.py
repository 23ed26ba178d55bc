"""Brings what Sentry's SDKs measure to the store of samples."""

from collections.abc import Mapping, Sequence
from typing import Any

from resumatch_monitor.kit.spool import FullReason, SpoolFullError
from resumatch_monitor.metrics.samples import StoreFullError
from resumatch_monitor.metrics.trace_metrics import TraceMetricReceiver


class StoredMeasurements:
    """The receiver of metrics, as the door knows it."""

    def __init__(self, receiver: TraceMetricReceiver) -> None:
        self._receiver = receiver

    async def take(self, project: str, items: Sequence[Mapping[str, Any]]) -> int:
        try:
            return (await self._receiver.take(project, items)).count
        except StoreFullError as error:
            raise SpoolFullError(FullReason.DISK, f"no samples can be stored: {error}") from error
