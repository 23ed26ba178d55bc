"""What a durable queue between acknowledging and processing looks like from either end."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class FullReason(StrEnum):
    """Which bound a spool has reached."""

    BYTES = "spool_full"
    DISK = "disk_full"
    MEMORY = "overload"


class SpoolFullError(Exception):
    """The spool takes nothing more at the moment; what it has taken is safe."""

    def __init__(self, reason: FullReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a spool: everything before it has been processed."""

    segment: int
    offset: int


@dataclass(frozen=True, slots=True)
class SpoolBatch:
    """Records in the order in which they were acknowledged.

    Attributes:
        records: The payloads that are whole.
        end: What to commit once they are processed.
        count: How many records lie before `end`, damaged ones included.
        corrupt: How many stretches were damaged and are skipped.
    """

    records: tuple[bytes, ...]
    end: Position
    count: int
    corrupt: int


class SpoolWriter(Protocol):
    """The end where records come in."""

    async def append(self, payload: bytes) -> None:
        """Keep `payload`; it is on the disk when this returns.

        Raises:
            SpoolFullError: If there is no room; nothing of it was kept.
        """
        ...


class SpoolReader(Protocol):
    """The end where records are processed, by one reader."""

    async def wait_for_records(self) -> None:
        """Return as soon as there is a record that has not been committed."""
        ...

    async def read_batch(
        self, max_records: int, max_bytes: int, *, after: Position | None = None
    ) -> SpoolBatch:
        """Return the oldest uncommitted records: at least one, if there is any.

        A reader that reads ahead passes the end of the batch before as `after`.
        """
        ...

    async def commit(self, batch: SpoolBatch) -> None:
        """Note durably that `batch`, the one that was read last, has been processed."""
        ...

    async def drop_consumed(self) -> None:
        """Delete what has been processed from the disk, if everything has been."""
        ...
