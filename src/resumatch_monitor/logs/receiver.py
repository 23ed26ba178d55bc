"""The door of logs: what is taken lies in the spool, durably, before anybody is told so."""

from collections.abc import Mapping, Sequence
from typing import Any

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.spool import SpoolFullError, SpoolWriter
from resumatch_monitor.logs.chunk import LogChunk, encode_chunk
from resumatch_monitor.logs.metrics import LogMetrics

_CHUNK_BYTES = 512 * 1024


class LogReceiver:
    """Takes lines that a door has found to be readable."""

    def __init__(self, *, spool: SpoolWriter, metrics: LogMetrics, clock: Clock) -> None:
        self._spool = spool
        self._metrics = metrics
        self._clock = clock

    async def take(
        self,
        lines: Sequence[bytes],
        *,
        format_name: str,
        hints: Mapping[str, Any],
        project_id: int = 0,
    ) -> None:
        """Keep lines; they are on the disk when this returns.

        Args:
            lines: In the form that the format's reader knows; none holds a line break.
            format_name: A key of `FORMATS`.
            hints: What is known beside them: `source`, and defaults such as `service`.
            project_id: Whose scrubbing holds; 0 for nobody's in particular.

        Raises:
            SpoolFullError: If there is no room. Of many lines the first may have been kept.
        """
        received_at = self._clock.now()
        try:
            for payload in _group(lines):
                chunk = LogChunk(format_name, received_at, payload, project_id, hints)
                await self._spool.append(encode_chunk(chunk))
        except SpoolFullError as error:
            self._metrics.rejected.labels(str(hints.get("source", "")), error.reason).inc()
            raise


def _group(lines: Sequence[bytes]) -> list[bytes]:
    groups: list[list[bytes]] = []
    size = _CHUNK_BYTES
    for line in lines:
        if size >= _CHUNK_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(line)
        size += len(line) + 1
    return [b"\n".join(group) for group in groups]
