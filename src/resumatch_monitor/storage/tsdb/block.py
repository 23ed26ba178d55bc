"""Sealed blocks: immutable folders of compressed columns.

A block is a folder of three files, written under another name, synced, then renamed.

- `data`: magic, then for each table its encoded timestamps and its chunks, page by page;
- `index`: magic, then sections of arrays (offsets in `meta.json`): `hashes` (8 bytes a series),
  `refs` (which series a table's columns are), `chunks` (size and CRC-32 of each chunk), and, both
  zstd of JSON, `tables` and `labels`;
- `meta.json`: one line of JSON and its CRC-32, with the sizes and CRC-32s of the other two.

A table is one target's rows in the block, or pushed series that share their timestamps. Its series
are cut into pages of a few, its rows into runs of `CHUNK_SAMPLES`; a chunk is one run of one page.
Opening reads `index` and believes nothing that fails its checksum; chunks are checked when read.
"""

import itertools
import mmap
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import orjson
import zstandard

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import ABSENT, FloatArray, TimeArray
from resumatch_monitor.storage.tsdb.chunk import ChunkError, decode_chunk, decode_times
from resumatch_monitor.storage.tsdb.index import IdArray, intersect
from resumatch_monitor.storage.tsdb.page_cache import PageCache
from resumatch_monitor.storage.tsdb.records import restore_labels
from resumatch_monitor.storage.tsdb.tombstones import (
    Period,
    TombstoneError,
    Tombstones,
    read_tombstones,
    write_tombstones,
)

DATA_MAGIC = b"RMDATA01"
INDEX_MAGIC = b"RMINDX01"
VERSION = 2
_READABLE = (1, 2)
"""In version 1 a page is one series."""
CHUNK_SAMPLES = 480
CHUNK_ENTRY = np.dtype([("size", "<u4"), ("crc", "<u4")])

HashArray = npt.NDArray[np.uint64]


class BlockError(Exception):
    """A block is damaged, incomplete or of another version."""


@dataclass(frozen=True, slots=True)
class TableEntry:
    """Where a table's parts are; as stored.

    Attributes:
        key: The target's key, empty for what was pushed.
        first_series: Where its series begin in `refs`.
        first_chunk: Where its chunks begin in `chunks`; page by page, `CHUNK_SAMPLES` rows each
            but the last.
        offset: Where its timestamps begin in `data`; its chunks follow them.
        page_series: How many series a page has, the last one excepted. A chunk holds the rows of
            a page's first series, then those of its second, and so on.
    """

    key: str
    series: int
    rows: int
    min_ms: int
    max_ms: int
    first_series: int
    first_chunk: int
    offset: int
    times_size: int
    times_crc: int
    page_series: int = 1

    @property
    def chunks_per_page(self) -> int:
        """Into how many chunks a page is cut."""
        return -(-self.rows // CHUNK_SAMPLES)

    @property
    def chunk_count(self) -> int:
        """How many chunks there are."""
        return self.chunks_per_page * -(-self.series // self.page_series)


@dataclass(frozen=True, slots=True)
class BlockMeta:
    """What `meta.json` says."""

    seal_ids: tuple[int, ...]
    min_ms: int
    max_ms: int
    samples: int
    size_bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table whose series have been given ids.

    Attributes:
        ids: (series,) ascending.
        order: For each of `ids` its column; None if they are in order.
        stops: (chunks,) where each chunk ends in `data`.
    """

    entry: TableEntry
    ids: IdArray
    order: IdArray | None
    stops: npt.NDArray[np.int64]


class Block:
    """An open block. Reading is safe from any thread, also after the files have been removed.

    Args:
        on_damage: Told of every chunk that cannot be read; what it held is then absent.
        cache: Keeps what has been decoded; block numbers must not be used again.
    """

    def __init__(
        self, path: Path, *, on_damage: Callable[[Path, str], None], cache: PageCache
    ) -> None:
        self.path = path
        self.number = int(path.name)
        self._on_damage = on_damage
        self._cache = cache
        meta = _read_meta(path / "meta.json")
        self.meta = BlockMeta(
            seal_ids=tuple(meta["seal_ids"]),
            min_ms=meta["min_ms"],
            max_ms=meta["max_ms"],
            samples=meta["samples"],
            size_bytes=sum(each["size"] for each in meta["files"].values()),
        )
        self._index = _map(path / "index", INDEX_MAGIC, meta["files"]["index"]["size"])
        if zlib.crc32(self._index) != meta["files"]["index"]["crc"]:
            raise BlockError("the index fails its checksum")
        self._data = _map(path / "data", DATA_MAGIC, meta["files"]["data"]["size"])
        self._sections: dict[str, list[int]] = meta["sections"]
        self.hashes: HashArray = self._array("hashes", np.dtype("<u8"))
        self._refs: npt.NDArray[np.uint32] = self._array("refs", np.dtype("<u4"))
        self._chunks = self._array("chunks", CHUNK_ENTRY)
        entries = orjson.loads(_unzip(self._section("tables")))
        self._entries = [TableEntry(*each) for each in entries]
        self.tables: tuple[Table, ...] = ()
        self.ids: IdArray = np.empty(0, dtype=np.int32)
        self._ids_in_order = self.ids
        self.tombstones = Tombstones({})

    def read_labels(self) -> list[Labels]:
        """Return the label sets in the order of `hashes`."""
        return [restore_labels(each) for each in orjson.loads(_unzip(self._section("labels")))]

    def assign(self, ids: IdArray) -> None:
        """Give the series their ids, in the order of `hashes`."""
        tables: list[Table] = []
        for entry in self._entries:
            refs = self._refs[entry.first_series : entry.first_series + entry.series]
            columns = ids[refs]
            order: IdArray | None = None
            if not (columns[1:] > columns[:-1]).all():
                order = np.argsort(columns, kind="stable").astype(np.int32)
                columns = columns[order]
            sizes = self._chunks["size"][entry.first_chunk : entry.first_chunk + entry.chunk_count]
            stops = entry.offset + entry.times_size + np.cumsum(sizes, dtype=np.int64)
            tables.append(Table(entry, columns, order, stops))
        self.ids = np.sort(ids)
        self.tables = tuple(tables)
        self._ids_in_order = ids
        try:
            self.tombstones = read_tombstones(self.path, ids)
        except TombstoneError as error:
            # Deleted samples are shown again rather than the block lost.
            self._on_damage(self.path, str(error))

    def read_times(self, table: Table) -> TimeArray:
        """Return a table's timestamps; none if they are damaged."""
        entry = table.entry
        data = self._data[entry.offset : entry.offset + entry.times_size]
        try:
            _check(data, entry.times_crc)
            return decode_times(data, entry.rows)
        except ChunkError as error:
            self._on_damage(self.path, f"table {entry.key!r}: {error}")
            return np.empty(0, dtype=np.int64)

    def reader(
        self, table: Table, positions: IdArray, times: TimeArray, first: int, last: int
    ) -> Callable[[IdArray, FloatArray], None]:
        """Return what reads the rows `first` to `last` of some series.

        Args:
            table: One of `tables`.
            positions: Positions in `table.ids`.
            times: The table's timestamps.
            first: The first row.
            last: One past the last row.

        Returns:
            A function that takes positions in `positions`, and fills a (positions, last - first)
            array whose rows are contiguous.
        """

        def read(wanted: IdArray, out: FloatArray) -> None:
            known = positions[wanted]
            self._read(table, known, first, last, out)
            if self.tombstones:
                self.tombstones.hide(table.ids[known], times[first:last], out)

        return read

    def delete(self, ids: IdArray, period: Period) -> bool:
        """Hide the samples of `ids` in `period`, durably; tell whether any may be here.

        Raises:
            OSError: Nothing is hidden then.
        """
        found = intersect(ids, self.ids)
        if not len(found) or period[0] > self.meta.max_ms or period[1] < self.meta.min_ms:
            return False
        tombstones = self.tombstones.with_deleted(found.tolist(), period)
        write_tombstones(self.path, self._ids_in_order, tombstones)
        self.tombstones = tombstones
        return True

    def _read(
        self, table: Table, positions: IdArray, first: int, last: int, out: FloatArray
    ) -> None:
        """Fill `out` (positions, last - first) with rows `first` to `last`."""
        columns = positions if table.order is None else table.order[positions]
        begin = 0
        for page, rows, count in _find_rows(columns, table.entry.page_series):
            self._read_page(table, page, rows, first, last, out[begin : begin + count])
            begin += count

    def _read_page(
        self,
        table: Table,
        page: int,
        rows: IdArray | slice,
        first: int,
        last: int,
        out: FloatArray,
    ) -> None:
        """Fill `out` with rows `first` to `last` of a page's series `rows`."""
        entry = table.entry
        series = min(entry.page_series, entry.series - page * entry.page_series)
        for number in range(first // CHUNK_SAMPLES, -(-last // CHUNK_SAMPLES)):
            begin = number * CHUNK_SAMPLES
            length = min(CHUNK_SAMPLES, entry.rows - begin)
            low, high = max(first - begin, 0), min(last - begin, length)
            chunk = self._read_chunk(table, page * entry.chunks_per_page + number, series * length)
            values = chunk.reshape(series, length)[rows, low:high]
            out[:, begin + low - first : begin + high - first] = values

    def _read_chunk(self, table: Table, number: int, count: int) -> FloatArray:
        """Return the `count` values of a table's chunk, only for reading."""
        position = table.entry.first_chunk + number
        known = self._cache.get((self.number, position))
        if known is not None:
            return known
        size, checksum = self._chunks[position].item()
        stop = int(table.stops[number])
        data = self._data[stop - size : stop]
        values = np.empty(count)
        try:
            _check(data, checksum)
            decode_chunk(data, values)
        except ChunkError as error:
            values.fill(ABSENT)
            self._on_damage(self.path, f"table {table.entry.key!r}, before byte {stop}: {error}")
            return values
        self._cache.put((self.number, position), values)
        return values

    def _section(self, name: str) -> memoryview:
        offset, size = self._sections[name]
        return memoryview(self._index)[offset : offset + size]

    def _array(self, name: str, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        return np.frombuffer(self._section(name), dtype)


def _find_rows(columns: IdArray, page_series: int) -> Iterator[tuple[int, IdArray | slice, int]]:
    """Yield page after page, which of its series `columns` are there, and how many."""
    if not len(columns):
        return
    start, stop = int(columns[0]), int(columns[-1]) + 1
    if stop - start == len(columns) and bool((columns[1:] > columns[:-1]).all()):
        # Neighbours, as a query for a whole metric or target has them: nothing to look up.
        for page in range(start // page_series, -(-stop // page_series)):
            offset = page * page_series
            low, high = max(start - offset, 0), min(stop - offset, page_series)
            yield page, slice(low, high), high - low
        return
    pages = columns // page_series
    begins: list[int] = np.flatnonzero(np.diff(pages, prepend=-1)).tolist()
    for begin, end in itertools.pairwise([*begins, len(columns)]):
        page = int(pages[begin])
        yield page, columns[begin:end] - page * page_series, end - begin


def _check(data: bytes, checksum: int) -> None:
    if zlib.crc32(data) != checksum:
        raise ChunkError("the checksum does not fit")


def _map(path: Path, magic: bytes, size: int) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise BlockError(f"{path.name} cannot be opened: {error}") from error
    if len(mapped) != size or mapped[: len(magic)] != magic:
        raise BlockError(f"{path.name} is not what the block's meta.json says")
    return mapped


def _read_meta(path: Path) -> dict[str, Any]:
    try:
        line, checksum = path.read_bytes().split(b"\n")[:2]
    except (OSError, ValueError) as error:
        raise BlockError(f"meta.json cannot be read: {error}") from error
    if f"{zlib.crc32(line):08x}".encode() != checksum:
        raise BlockError("meta.json fails its checksum")
    meta = cast("dict[str, Any]", orjson.loads(line))
    if meta["version"] not in _READABLE:
        raise BlockError(f"version {meta['version']} of the block format is unknown")
    return meta


def _unzip(data: memoryview) -> bytes:
    return zstandard.ZstdDecompressor().decompress(data)


def assign_ids(block: Block, known: dict[int, int], add: Callable[[Labels, int], int]) -> None:
    """Give the series of `block` ids by their hashes, reading labels only if some are unknown.

    Args:
        block: A block that was just opened.
        known: Ids by hash; added to.
        add: Gives a label set with its hash an id.
    """
    hashes: Sequence[int] = block.hashes.tolist()
    ids = [known.get(each, -1) for each in hashes]
    if -1 in ids:
        labels = block.read_labels()
        for position, number in enumerate(ids):
            if number < 0:
                ids[position] = add(labels[position], hashes[position])
    block.assign(np.array(ids, dtype=np.int32))
