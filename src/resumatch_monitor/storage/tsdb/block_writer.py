"""Writes sealed blocks."""

import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import orjson
import zstandard

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import ABSENT, FloatArray, TimeArray, is_absent
from resumatch_monitor.storage.tsdb.block import (
    CHUNK_ENTRY,
    CHUNK_SAMPLES,
    DATA_MAGIC,
    INDEX_MAGIC,
    VERSION,
    TableEntry,
)
from resumatch_monitor.storage.tsdb.chunk import encode_chunk, encode_times
from resumatch_monitor.storage.tsdb.disk import sync_folder
from resumatch_monitor.storage.tsdb.head import HeadCut, MatrixChunk
from resumatch_monitor.storage.tsdb.index import IdArray, distinct
from resumatch_monitor.storage.tsdb.joined_table import TableSource, tables_of_pieces

_SERIES_AT_ONCE = 256
_PAGE_SERIES = 32
"""Series that are compressed together: more are read faster together and slower alone."""
TEMPORARY_SUFFIX = ".tmp"


@dataclass(frozen=True, slots=True, eq=False)
class MatrixTable:
    """The rows of one target in a cut of the head."""

    key: str
    times: TimeArray
    ids: IdArray
    parts: Sequence[tuple[MatrixChunk, int, TimeArray]]

    def read(self, first: int, last: int) -> FloatArray:
        wanted = self.ids[first:last]
        out = np.full((len(wanted), len(self.times)), ABSENT)
        begin = 0
        for chunk, start, times in self.parts:
            found, columns = chunk.locate(wanted)
            values = np.empty((len(found), len(times)))
            chunk.read(columns, start, start + len(times), values)
            out[np.searchsorted(wanted, found), begin : begin + len(times)] = values
            begin += len(times)
        return out


def tables_of(cut: HeadCut) -> Iterator[TableSource]:
    """Yield what a cut of the head holds as tables."""
    for key, parts in cut.rows:
        ids = distinct(np.concatenate([chunk.ids for chunk, _, _ in parts]))
        yield MatrixTable(key, np.concatenate([times for _, _, times in parts]), ids, parts)
    yield from tables_of_pieces([grid.whole() for grid in cut.grids])


class _Data:
    """The file `data`, and what the index will say about it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = 0
        self.crc = 0
        self.samples = 0
        self.tables: list[TableEntry] = []
        self.ids: list[IdArray] = []
        self._chunks: list[tuple[int, int]] = []
        self._series = 0
        self.write(DATA_MAGIC)

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self.size += len(data)
        self.crc = zlib.crc32(data, self.crc)

    def add(self, table: TableSource) -> None:
        """Write a table, leaving out series that are absent throughout."""
        offset, first_chunk = self.size, len(self._chunks)
        times = encode_times(table.times)
        self.write(times)
        kept: list[IdArray] = []
        pages = _Pages(self)
        for first in range(0, len(table.ids), _SERIES_AT_ONCE):
            values = table.read(first, first + _SERIES_AT_ONCE)
            absent = is_absent(values)
            present = ~absent.all(axis=1)
            self.samples += int(absent.size - absent.sum())
            kept.append(table.ids[first : first + _SERIES_AT_ONCE][present])
            pages.add(values[present])
        pages.finish()
        ids = np.concatenate(kept)
        self.tables.append(
            TableEntry(
                key=table.key,
                series=len(ids),
                rows=len(table.times),
                min_ms=int(table.times[0]),
                max_ms=int(table.times[-1]),
                first_series=self._series,
                first_chunk=first_chunk,
                offset=offset,
                times_size=len(times),
                times_crc=zlib.crc32(times),
                page_series=_PAGE_SERIES,
            )
        )
        self._series += len(ids)
        self.ids.append(ids)

    def chunk_entries(self) -> bytes:
        """Return size and checksum of every chunk."""
        return np.array(self._chunks, dtype=CHUNK_ENTRY).tobytes()

    def add_page(self, values: FloatArray) -> None:
        """Write the values of up to `_PAGE_SERIES` series, (S, T)."""
        for first in range(0, values.shape[1], CHUNK_SAMPLES):
            chunk = encode_chunk(values[:, first : first + CHUNK_SAMPLES].reshape(-1))
            self._chunks.append((len(chunk), zlib.crc32(chunk)))
            self.write(chunk)


class _Pages:
    """Cuts the series of a table into pages, however many come at a time."""

    def __init__(self, data: _Data) -> None:
        self._data = data
        self._rest: FloatArray | None = None

    def add(self, values: FloatArray) -> None:
        if self._rest is not None:
            values = np.concatenate((self._rest, values))
        whole = len(values) // _PAGE_SERIES * _PAGE_SERIES
        for first in range(0, whole, _PAGE_SERIES):
            self._data.add_page(values[first : first + _PAGE_SERIES])
        self._rest = values[whole:]

    def finish(self) -> None:
        if self._rest is not None and len(self._rest):
            self._data.add_page(self._rest)


def write_block(
    folder: Path,
    tables: Iterator[TableSource],
    *,
    labels: Sequence[Labels | None],
    seal_id: int,
    seal_ids: Sequence[int] | None = None,
) -> tuple[Path, IdArray] | None:
    """Write a block durably; None if there is nothing to write.

    Args:
        folder: Where blocks are.
        tables: What it is to hold.
        labels: The label sets by id.
        seal_id: Names the block.
        seal_ids: The seals that it holds the samples of; only `seal_id` if None.

    Returns:
        Its folder, and the ids of its series in the order of its hashes.

    Raises:
        OSError: Nothing is left behind then.
    """
    final = folder / f"{seal_id:010d}"
    temporary = final.with_suffix(TEMPORARY_SUFFIX)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        with (temporary / "data").open("xb") as file:
            data = _Data(file)
            for table in tables:
                data.add(table)
            _sync(file)
        if not data.samples:
            shutil.rmtree(temporary)
            return None
        ids = distinct(np.concatenate(data.ids))
        sections, index = _build_index(data, ids, labels)
        _write(temporary / "index", index)
        _write(temporary / "meta.json", _build_meta(data, sections, index, seal_ids or [seal_id]))
        sync_folder(temporary)
        temporary.rename(final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(folder)
    return final, ids


def _build_index(
    data: _Data, ids: IdArray, labels: Sequence[Labels | None]
) -> tuple[dict[str, tuple[int, int]], bytes]:
    refs = np.searchsorted(ids, np.concatenate(data.ids))
    wanted: list[int] = ids.tolist()
    series = [found for number in wanted if (found := labels[number]) is not None]
    hashes = np.array([int(each.fingerprint, 16) for each in series], dtype="<u8")
    parts = {
        "hashes": hashes.tobytes(),
        "chunks": data.chunk_entries(),
        "refs": refs.astype("<u4").tobytes(),
        "tables": _zip([astuple(entry) for entry in data.tables]),
        "labels": _zip([each.pairs for each in series]),
    }
    sections: dict[str, tuple[int, int]] = {}
    out = bytearray(INDEX_MAGIC)
    for name, part in parts.items():
        sections[name] = (len(out), len(part))
        out += part
    return sections, bytes(out)


def _build_meta(
    data: _Data, sections: dict[str, tuple[int, int]], index: bytes, seal_ids: Sequence[int]
) -> bytes:
    line = orjson.dumps(
        {
            "version": VERSION,
            "seal_ids": list(seal_ids),
            "min_ms": min(entry.min_ms for entry in data.tables),
            "max_ms": max(entry.max_ms for entry in data.tables),
            "samples": data.samples,
            "series": sections["hashes"][1] // 8,
            "files": {
                "data": {"size": data.size, "crc": data.crc},
                "index": {"size": len(index), "crc": zlib.crc32(index)},
            },
            "sections": sections,
        }
    )
    return line + f"\n{zlib.crc32(line):08x}\n".encode()


def _zip(content: object) -> bytes:
    return zstandard.ZstdCompressor(level=9).compress(orjson.dumps(content))


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        _sync(file)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
