"""Packs the records of a partition anew, in blocks of full size, with a dictionary of them."""

import os
from collections.abc import Callable, Generator
from pathlib import Path

from resumatch_monitor.storage.logindex.codec import (
    THOROUGH_LEVEL,
    BlockCompressor,
    train_dictionary,
)
from resumatch_monitor.storage.logindex.frames import (
    MAGIC,
    FrameKind,
    Layout,
    pack_commit,
    pack_frame,
    read_layout,
)
from resumatch_monitor.storage.logindex.partition import RECORDS_FILE, sync_folder
from resumatch_monitor.storage.logindex.records import RecordReader
from resumatch_monitor.storage.logindex.writer import chunk_lines

_SAMPLES = 4_000
_LONGEST_SAMPLE = 4_096
_FLUSH_BYTES = 4 * 1024 * 1024


def is_repacked(layout: Layout) -> bool:
    """Return whether a file has been packed anew already: as one stretch, with one commit."""
    return len(layout.commits) <= 1


def repack(folder: Path, *, is_stopped: Callable[[], bool] = lambda: False) -> bytes | None:
    """Write the records of a partition anew, and put the file in the place of the old one.

    Whoever has the old file open can go on reading it. Blocks that are damaged are kept as they
    are, for their rows have numbers.

    Returns:
        The dictionary that was trained, for the next partition; None if there was not enough, or
        nothing was done, because there was no time or a block is damaged.

    Raises:
        OSError: If the disk fails; then nothing has changed.
    """
    path = folder / RECORDS_FILE
    layout = read_layout(path)
    reader = RecordReader(path, layout)
    making = folder / f"{RECORDS_FILE}.new"
    try:
        if not _is_whole(reader, layout):
            return None
        samples = sample_rows(reader, layout)
        dictionary = train_dictionary(samples, sum(block.length for block in layout.blocks))
        with making.open("wb") as file:
            file.write(MAGIC)
            if dictionary is not None:
                file.write(pack_frame(FrameKind.DICTIONARY, dictionary))
            compressor = BlockCompressor(dictionary, level=THOROUGH_LEVEL)
            first_row = 0
            for chunk in _chunks(reader, len(layout.blocks)):
                if is_stopped():
                    making.unlink()
                    return None
                payload = compressor.pack(chunk)
                file.write(
                    pack_frame(FrameKind.BLOCK, payload, rows=len(chunk), first_row=first_row)
                )
                first_row += len(chunk)
            if layout.commits:
                file.write(pack_commit(layout.commits[-1].rows, layout.commits[-1].until))
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        making.unlink(missing_ok=True)
        raise
    finally:
        reader.close()
    making.rename(path)
    sync_folder(folder)
    return dictionary


def _is_whole(reader: RecordReader, layout: Layout) -> bool:
    """Return whether all rows can be read."""
    return sum(block.rows for block in layout.blocks) == layout.rows and all(
        len(reader.read_block(at) or ()) == block.rows for at, block in enumerate(layout.blocks)
    )


def sample_rows(reader: RecordReader, layout: Layout) -> list[bytes]:
    """Return rows that lie equally far apart, however small the blocks are."""
    step = max(1, layout.rows // _SAMPLES)
    samples: list[bytes] = []
    for at, block in enumerate(layout.blocks):
        lines = reader.read_block(at) or []
        samples.extend(line[:_LONGEST_SAMPLE] for line in lines[-block.first_row % step :: step])
    return samples


def _chunks(reader: RecordReader, blocks: int) -> Generator[list[bytes]]:
    """Yield lines in groups as large as a block; the last of a stretch may be smaller."""
    waiting: list[bytes] = []
    size = 0
    for at in range(blocks):
        lines = reader.read_block(at) or []
        waiting.extend(lines)
        size += sum(map(len, lines))
        if size >= _FLUSH_BYTES:
            yield from chunk_lines(waiting)
            waiting, size = [], 0
    yield from chunk_lines(waiting)
