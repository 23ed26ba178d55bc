"""Mends what a crash, a torn file or a lost index left of a partition."""

import logging
import os
import shutil
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import tantivy

from resumatch_monitor.kit.spool import Position
from resumatch_monitor.storage.logindex.codec import CodecError, decode_record
from resumatch_monitor.storage.logindex.frames import (
    MAGIC,
    Frame,
    FrameError,
    FrameKind,
    Layout,
    pack_commit,
    pack_frame,
    read_layout,
    read_payload,
)
from resumatch_monitor.storage.logindex.library import count, make_document
from resumatch_monitor.storage.logindex.partition import (
    INDEX_FOLDER,
    NAMES_FILE,
    RECORDS_FILE,
    append_names,
    read_names,
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


class StoppedError(Exception):
    """There was no time to finish; nothing has changed."""


def recover_unsealed(folder: Path) -> bool:
    """Make the file of a partition that may be written to and its index agree again.

    The file was written first: a batch that it has more than the index is cut off, for the spool
    has it still. If the index is torn, or lacks more, or has what the file has not, the file alone
    counts.

    Returns:
        Whether the index can be used; if not, it is to be made anew out of the file.

    Raises:
        FrameError: If the file is none that this version can read.
        OSError: If the disk fails.
    """
    path = folder / RECORDS_FILE
    layout = read_layout(path)
    rows = count_indexed(folder)
    if rows is None or sum(commit.rows > rows for commit in layout.commits) > 1:
        _truncate(path, _trusted_end(path, layout))
        return False
    commit, last = layout.commit_at(rows), _last_block(layout, rows)
    if commit is not None or rows == 0:
        _truncate(path, commit.end if commit else _head_end(layout))
        return True
    if last is not None:
        # What said where the spool's reader goes on is damaged: the spool itself knows, too.
        before = [commit.until for commit in layout.commits if commit.rows < rows]
        _truncate(path, last.end)
        _append(path, pack_commit(rows, before[-1] if before else Position(0, 0)))
        return True
    _truncate(path, _trusted_end(path, layout))
    return False


def is_index_whole(folder: Path, rows: int) -> bool:
    """Return whether the index of a sealed partition of so many rows can be used.

    Raises:
        FrameError: If the file of records is none that this version can read.
        OSError: If the disk fails.
    """
    found = read_layout(folder / RECORDS_FILE).rows
    if found < rows:
        logger.error("%d of %d log records in %s are lost", rows - found, rows, folder.name)
    return count_indexed(folder) in (rows, found)


def rebuild_index(folder: Path, *, is_stopped: Callable[[], bool] = lambda: False) -> int:
    """Make a partition's index anew out of its records; return how many could not be read.

    Raises:
        StoppedError: If there was no time for it.
        OSError: If the disk fails.
        ValueError: If the library does.
    """
    logger.warning("The index of the logs in %s is made anew", folder.name)
    making = folder / f"{INDEX_FOLDER}.new"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(mode=0o700)
    layout = read_layout(folder / RECORDS_FILE)
    index = tantivy.Index(build_schema(), path=str(making))
    register_analyzers(index)
    writer = index.writer(heap_size=HEAP_BYTES, num_threads=1)
    names = NameBudget()
    lost = 0
    try:
        for document in _documents(folder, layout, names, is_stopped):
            lost += document["seq"] == LOST_SEQ
            writer.add_document(make_document(document, index.schema))
        writer.commit()
    finally:
        writer.wait_merging_threads()
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
    """Return how many records the index has; None if it, or the names with it, are of no use."""
    try:
        return _count_whole(folder)
    except BaseException as error:
        # The library's panics are no Exceptions.
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        logger.warning("The index of the logs in %s is damaged: %s", folder.name, error)
        return None


def _count_whole(folder: Path) -> int:
    index = tantivy.Index.open(str(folder / INDEX_FOLDER))
    index.config_reader(reload_policy="manual")
    index.reload()
    searcher = index.searcher()
    has_attributes = tantivy.Query.exists_query("attributes", json_subpaths=True)
    if not read_names(folder).names and count(searcher, has_attributes):
        raise FrameError("the names of attributes are gone")
    return searcher.num_docs


def _documents(
    folder: Path, layout: Layout, names: NameBudget, is_stopped: Callable[[], bool]
) -> Generator[dict[str, Any]]:
    """Yield what the index is told of each row, as little as that may be."""
    reader = RecordReader(folder / RECORDS_FILE, layout)
    row = 0
    try:
        for at, block in enumerate(layout.blocks):
            if is_stopped():
                raise StoppedError
            # A stretch of the file that is no block any more had these.
            for lost in range(row, block.first_row):
                yield {"seq": LOST_SEQ, "row": lost}
            lines = reader.read_block(at) or []
            row = block.first_row + block.rows
            for number in range(block.rows):
                document = _build(lines, number, block.first_row + number, names)
                yield document or {"seq": LOST_SEQ, "row": block.first_row + number}
    finally:
        reader.close()


def _last_block(layout: Layout, rows: int) -> Frame | None:
    """Return the block that ends with a row; None if none does."""
    return next((each for each in layout.blocks if each.first_row + each.rows == rows), None)


def _trusted_end(path: Path, layout: Layout) -> int:
    """Return where the last commit ends of which everything has reached the disk.

    Where the index is of no use, it does not tell whether the last batch was ever finished.
    """
    if not layout.commits:
        return _head_end(layout)
    last = layout.commits[-1]
    before = layout.commits[-2] if len(layout.commits) > 1 else None
    rows = before.rows if before else 0
    blocks = [each for each in layout.blocks if rows <= each.first_row < last.rows]
    with path.open("rb") as file:
        is_whole = sum(each.rows for each in blocks) == last.rows - rows and all(
            read_payload(file.fileno(), each) is not None for each in blocks
        )
    if is_whole or len(layout.commits) == 1:
        return last.end
    return before.end if before else _head_end(layout)


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


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
