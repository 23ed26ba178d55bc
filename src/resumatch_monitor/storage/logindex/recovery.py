"""Mends what a crash, a torn file or a lost index left of a partition."""

import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tantivy

from resumatch_monitor.storage.logindex.codec import CodecError, decode_record
from resumatch_monitor.storage.logindex.frames import (
    MAGIC,
    FrameKind,
    Layout,
    pack_frame,
    read_layout,
)
from resumatch_monitor.storage.logindex.library import make_document
from resumatch_monitor.storage.logindex.partition import (
    INDEX_FOLDER,
    NAMES_FILE,
    RECORDS_FILE,
    append_names,
    sync_folder,
)
from resumatch_monitor.storage.logindex.records import RecordReader
from resumatch_monitor.storage.logindex.schema import (
    NameBudget,
    build_document,
    build_schema,
    register_analyzers,
)
from resumatch_monitor.storage.logindex.writer import HEAP_BYTES

logger = logging.getLogger(__name__)

LOST_SEQ = -1
"""The place in the index of a record that cannot be read any more; no search asks for it."""


def recover_latest(folder: Path) -> None:
    """Make file and index of the partition that is being written to agree again.

    The file was written first: what it has more than the index is cut off, for the spool has it
    still. An index that is torn, or has what the file has not, is made anew out of the file.

    Raises:
        FrameError: If the file is none that this version can read.
        OSError: If the disk fails.
    """
    layout = read_layout(folder / RECORDS_FILE)
    rows = count_indexed(folder)
    if rows == 0:
        _truncate(folder / RECORDS_FILE, _head_end(layout))
        return
    commit = None if rows is None else layout.commit_at(rows)
    if commit is not None:
        _truncate(folder / RECORDS_FILE, commit.end)
        return
    end = layout.commits[-1].end if layout.commits else _head_end(layout)
    _truncate(folder / RECORDS_FILE, end)
    rebuild_index(folder)


def recover_sealed(folder: Path, rows: int) -> int:
    """Make the index of a sealed partition anew if it is of no use; return how many rows are lost.

    Raises:
        FrameError: If the file of records is none that this version can read.
        OSError: If the disk fails.
    """
    found = read_layout(folder / RECORDS_FILE).rows
    if count_indexed(folder) not in (rows, found):
        rebuild_index(folder)
    if found < rows:
        logger.error("%d of %d log records in %s are lost", rows - found, rows, folder.name)
    return max(0, rows - found)


def rebuild_index(folder: Path) -> int:
    """Make a partition's index anew out of its records; return how many could not be read."""
    logger.warning("The index of the logs in %s is made anew", folder.name)
    making = folder / f"{INDEX_FOLDER}.new"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(mode=0o700)
    layout = read_layout(folder / RECORDS_FILE)
    index = tantivy.Index(build_schema(), path=str(making))
    register_analyzers(index)
    writer = index.writer(heap_size=HEAP_BYTES, num_threads=1)
    names = NameBudget()
    reader = RecordReader(folder / RECORDS_FILE, layout)
    lost = 0
    try:
        for at, block in enumerate(layout.blocks):
            lines = reader.read_block(at) or []
            for number in range(block.rows):
                document = _build(lines, number, block.first_row + number, names)
                if document is None:
                    lost += 1
                    document = {"seq": LOST_SEQ, "row": block.first_row + number}
                writer.add_document(make_document(document, index.schema))
        writer.commit()
        writer.wait_merging_threads()
    finally:
        reader.close()
    # The file of names may be what is damaged, so it is written anew as well.
    (folder / NAMES_FILE).unlink(missing_ok=True)
    append_names(folder, sorted(names.names), has_others=names.has_others)
    shutil.rmtree(folder / INDEX_FOLDER, ignore_errors=True)
    making.rename(folder / INDEX_FOLDER)
    sync_folder(folder)
    if lost:
        logger.error("%d log records in %s are damaged", lost, folder.name)
    return lost


def count_indexed(folder: Path) -> int | None:
    """Return how many records the index has; None if it is of no use."""
    try:
        index = tantivy.Index.open(str(folder / INDEX_FOLDER))
        index.config_reader(reload_policy="manual")
        index.reload()
        return index.searcher().num_docs
    except BaseException as error:
        # The library's panics are no Exceptions.
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        logger.warning("The index of the logs in %s is damaged: %s", folder.name, error)
        return None


def _build(
    lines: Sequence[bytes], number: int, row: int, names: NameBudget
) -> dict[str, Any] | None:
    if number >= len(lines):
        return None
    try:
        seq, record = decode_record(lines[number])
    except CodecError:
        return None
    return build_document(record, seq=seq, row=row, admit=names.admit)


def _head_end(layout: Layout) -> int:
    if layout.dictionary is None:
        return len(MAGIC)
    return len(MAGIC) + len(pack_frame(FrameKind.DICTIONARY, layout.dictionary))


def _truncate(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)
        file.flush()
        os.fsync(file.fileno())
