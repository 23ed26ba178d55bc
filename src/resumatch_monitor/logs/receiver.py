"""The door of logs: what is taken lies in the spool, durably, before anybody is told so."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.spool import SpoolFullError, SpoolWriter
from resumatch_monitor.logs.chunk import LogChunk, encode_chunk
from resumatch_monitor.logs.metrics import LogMetrics

_CHUNK_BYTES = 512 * 1024
_AT_ONCE = 16
_RETRY_SECONDS = 0.25


class LogReceiver:
    """Takes lines that a door has found to be readable."""

    def __init__(self, *, spool: SpoolWriter, metrics: LogMetrics, clock: Clock) -> None:
        self._spool = spool
        self._metrics = metrics
        self._clock = clock
        self._has_room = True

    def be_patient(self, seconds: float) -> float:
        """Return until when somebody waits who is ready to wait for `seconds`."""
        return self._clock.monotonic() + seconds

    async def wait_for_room(self, until: float) -> None:
        """Return once the spool takes something again, or `until` has passed.

        A door whose senders are to be slowed down asks before it reads what they send.
        """
        while not self._has_room and self._clock.monotonic() < until:
            await self._clock.sleep(_RETRY_SECONDS)

    async def take(
        self,
        lines: Sequence[bytes],
        *,
        format_name: str,
        hints: Mapping[str, Any],
        project_id: int = 0,
        until: float = 0.0,
    ) -> None:
        """Keep lines; they are on the disk when this returns.

        Args:
            lines: In the form that the format's reader knows. One that is longer than a chunk is
                a chunk of its own.
            format_name: A key of `FORMATS`.
            hints: What is known beside them: `source`, and defaults such as `service`.
            project_id: Whose scrubbing holds; 0 for nobody's in particular.
            until: While there is no room, it is tried again until then (`be_patient`).

        Raises:
            SpoolFullError: If there is no room. Some of many lines may have been kept.
        """
        received_at = self._clock.now()
        waiting = [
            encode_chunk(LogChunk(format_name, received_at, payload, project_id, hints))
            for payload in _group(lines)
        ]
        while waiting:
            waiting, refusal = await self._append(waiting)
            self._has_room = refusal is None
            if refusal is None:
                continue
            if self._clock.monotonic() >= until:
                self._metrics.rejected.labels(str(hints.get("source", "")), refusal.reason).inc()
                raise refusal
            await self._clock.sleep(_RETRY_SECONDS)

    async def _append(self, chunks: list[bytes]) -> tuple[list[bytes], SpoolFullError | None]:
        """Append as many as there is room for; return the others, and why."""
        # Together they share one sync of the disk.
        outcomes = await asyncio.gather(
            *(self._spool.append(each) for each in chunks[:_AT_ONCE]), return_exceptions=True
        )
        left: list[bytes] = []
        refusal: SpoolFullError | None = None
        for chunk, outcome in zip(chunks, outcomes, strict=False):
            if isinstance(outcome, SpoolFullError):
                left.append(chunk)
                refusal = outcome
            elif outcome is not None:
                raise outcome
        return left + chunks[_AT_ONCE:], refusal


def _group(lines: Sequence[bytes]) -> list[bytes]:
    groups: list[list[bytes]] = []
    size = 0
    for line in lines:
        if not groups or size + len(line) > _CHUNK_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(line)
        size += len(line) + 1
    return [b"\n".join(group) for group in groups]
