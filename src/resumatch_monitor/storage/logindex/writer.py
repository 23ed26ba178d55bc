"""Adds to the latest partition; for one thread."""

import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import tantivy

from resumatch_monitor.kit.spool import Position
from resumatch_monitor.logs.record import LogRecord
from resumatch_monitor.storage.logindex.codec import BlockCompressor, encode_record
from resumatch_monitor.storage.logindex.frames import (
    MAGIC,
    Frame,
    FrameKind,
    Layout,
    pack_commit,
    pack_frame,
)
from resumatch_monitor.storage.logindex.library import make_document
from resumatch_monitor.storage.logindex.partition import (
    INDEX_FOLDER,
    RECORDS_FILE,
    Partition,
    append_names,
    sync_folder,
)
from resumatch_monitor.storage.logindex.schema import (
    build_document,
    build_schema,
    make_seq,
)

logger = logging.getLogger(__name__)

HEAP_BYTES = 48 * 1024 * 1024
_BLOCK_BYTES = 64 * 1024


class PartitionWriter:
    """Appends records to a partition: first to the file, durably, then to the index.

    After any error the writer is of no more use (the library's would go on as if all were well):
    another one, which goes on where both were whole.
    """

    def __init__(self, partition: Partition, layout: Layout) -> None:
        self.partition = partition
        self._folder = partition.folder
        self._schema = partition.index.schema
        self._compressor = BlockCompressor(layout.dictionary)
        self._rows = layout.rows
        self._end = layout.end
        self.until = layout.commits[-1].until if layout.commits else None
        self._descriptor = os.open(self._folder / RECORDS_FILE, os.O_WRONLY)
        try:
            self._index_writer = partition.index.writer(heap_size=HEAP_BYTES, num_threads=1)
        except BaseException:
            os.close(self._descriptor)
            raise

    @property
    def rows(self) -> int:
        """How many records the partition has."""
        return self._rows

    def append(self, records: Sequence[LogRecord], *, until: Position) -> None:
        """Keep `records` and the place in the spool after them; durable and found afterwards.

        Raises:
            OSError: If the disk fails.
            ValueError: If the index fails.
        """
        known = set(self.partition.names.names)
        had_others = self.partition.names.has_others
        lines = self._add_documents(records)
        frames, blocks = self._pack(lines)
        admitted = sorted(self.partition.names.names - known)
        gained_others = self.partition.names.has_others and not had_others
        if admitted or gained_others:
            append_names(self._folder, admitted, has_others=gained_others)
        written = b"".join(frames) + pack_commit(self._rows + len(records), until)
        _write_all(self._descriptor, written, self._end)
        os.fdatasync(self._descriptor)
        self._index_writer.commit()
        self._end += len(written)
        self._rows += len(records)
        self.until = until
        self.partition.raw_bytes += sum(map(len, lines))
        arrivals = [record.observed_us for record in records]
        self.partition.first_us = self.partition.first_us or min(arrivals)
        self.partition.last_us = max(self.partition.last_us, *arrivals)
        self.partition.records.extend(blocks)
        self.partition.refresh()

    def close(self) -> None:
        """Let go of the files; what was not committed is forgotten."""
        try:
            self._index_writer.wait_merging_threads()
        except BaseException:
            logger.debug("The writer of %s ended with an error", self._folder.name, exc_info=True)
        os.close(self._descriptor)

    def _add_documents(self, records: Sequence[LogRecord]) -> list[bytes]:
        admit = self.partition.names.admit
        base = self.partition.number * 7919
        lines: list[bytes] = []
        for row, record in enumerate(records, self._rows):
            seq = make_seq(record.timestamp_us, base + row)
            document = build_document(record, seq=seq, row=row, admit=admit)
            self._index_writer.add_document(make_document(document, self._schema))
            lines.append(encode_record(record, seq))
        return lines

    def _pack(self, lines: Sequence[bytes]) -> tuple[list[bytes], list[Frame]]:
        frames: list[bytes] = []
        blocks: list[Frame] = []
        first_row, offset = self._rows, self._end
        for chunk in chunk_lines(lines):
            payload = self._compressor.pack(chunk)
            frame = pack_frame(FrameKind.BLOCK, payload, rows=len(chunk), first_row=first_row)
            start = offset + len(frame) - len(payload)
            checksum = int.from_bytes(frame[8:12], "little")
            blocks.append(
                Frame(FrameKind.BLOCK, start, len(payload), checksum, len(chunk), first_row)
            )
            frames.append(frame)
            first_row += len(chunk)
            offset += len(frame)
        return frames, blocks


def create_partition(folder: Path, dictionary: bytes | None) -> None:
    """Make an empty partition, durably.

    Raises:
        OSError: If the disk fails.
        ValueError: If the index cannot be made.
    """
    making = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(making, ignore_errors=True)
    (making / INDEX_FOLDER).mkdir(parents=True, mode=0o700)
    head = MAGIC
    if dictionary is not None:
        head += pack_frame(FrameKind.DICTIONARY, dictionary)
    with (making / RECORDS_FILE).open("wb") as file:
        file.write(head)
        file.flush()
        os.fsync(file.fileno())
    tantivy.Index(build_schema(), path=str(making / INDEX_FOLDER))
    sync_folder(making)
    making.rename(folder)
    sync_folder(folder.parent)


def chunk_lines(lines: Sequence[bytes]) -> list[list[bytes]]:
    """Return `lines` in groups as large as a block."""
    chunks: list[list[bytes]] = []
    size = _BLOCK_BYTES
    for line in lines:
        if size >= _BLOCK_BYTES:
            chunks.append([])
            size = 0
        chunks[-1].append(line)
        size += len(line)
    return chunks


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view = view[written:]
        offset += written
