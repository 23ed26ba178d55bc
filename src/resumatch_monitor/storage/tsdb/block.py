"""Sealed blocks: immutable folders of compressed columns.

A block is a folder of three files, written under another name, synced, then renamed.

- `data`: magic, then for each table its encoded timestamps and its chunks, series by series;
- `index`: magic, then sections of arrays (offsets in `meta.json`): `hashes` (8 bytes a series),
  `refs` (which series a table's columns are), `chunks` (size and CRC-32 of each chunk), and, both
  zstd of JSON, `tables` and `labels`;
- `meta.json`: one line of JSON and its CRC-32, with the sizes and CRC-32s of the other two.

A table is one target's rows in the block, or ragged series that happen to share their timestamps.
Opening reads `index` and believes nothing that fails its checksum; chunks are checked when read.
"""

import mmap
import zlib
from collections.abc import Callable, Sequence
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
from resumatch_monitor.storage.tsdb.index import IdArray

DATA_MAGIC = b"RMDATA01"
INDEX_MAGIC = b"RMINDX01"
VERSION = 1
CHUNK_SAMPLES = 480
CHUNK_ENTRY = np.dtype([("size", "<u4"), ("crc", "<u4")])

HashArray = npt.NDArray[np.uint64]


class BlockError(Exception):
    """A block is damaged, incomplete or of another version."""


@dataclass(frozen=True, slots=True)
class TableEntry:
    """Where a table's parts are; as stored.

    Attributes:
        key: The target's key, empty for ragged series.
        first_series: Where its series begin in `refs`.
        first_chunk: Where its chunks begin in `chunks`; series by series, `CHUNK_SAMPLES` rows
            each but the last.
        offset: Where its timestamps begin in `data`; its chunks follow them.
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

    @property
    def chunks_per_series(self) -> int:
        """Into how many chunks a series is cut."""
        return -(-self.rows // CHUNK_SAMPLES)


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
    """

    entry: TableEntry
    ids: IdArray
    order: IdArray | None


class Block:
    """An open block. Reading is safe from any thread, also after the files have been removed.

    Args:
        on_damage: Told of every chunk that cannot be read; what it held is then absent.
    """

    def __init__(self, path: Path, *, on_damage: Callable[[Path, str], None]) -> None:
        self.path = path
        self._on_damage = on_damage
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

    def read_labels(self) -> list[Labels]:
        """Return the label sets in the order of `hashes`."""
        pairs = orjson.loads(_unzip(self._section("labels")))
        return [Labels((name, value) for name, value in each) for each in pairs]

    def assign(self, ids: IdArray) -> None:
        """Give the series their ids, in the order of `hashes`."""
        tables: list[Table] = []
        for entry in self._entries:
            refs = self._refs[entry.first_series : entry.first_series + entry.series]
            columns = ids[refs]
            if bool((columns[1:] > columns[:-1]).all()):
                tables.append(Table(entry, columns, None))
            else:
                order = np.argsort(columns, kind="stable").astype(np.int32)
                tables.append(Table(entry, columns[order], order))
        self.ids = np.sort(ids)
        self.tables = tuple(tables)

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

    def read(
        self, table: Table, positions: IdArray, first: int, last: int, out: FloatArray
    ) -> None:
        """Fill `out` (positions, last - first) with rows `first` to `last`.

        Args:
            table: One of `tables`.
            positions: Positions in `table.ids`.
            first: The first row.
            last: One past the last row.
            out: Its rows are contiguous.
        """
        entry = table.entry
        count = entry.chunks_per_series
        all_chunks = self._chunks[entry.first_chunk : entry.first_chunk + entry.series * count]
        ends = np.cumsum(all_chunks["size"], dtype=np.int64)
        base = entry.offset + entry.times_size
        scratch = np.empty(CHUNK_SAMPLES)
        columns = positions if table.order is None else table.order[positions]
        for number in range(first // CHUNK_SAMPLES, -(-last // CHUNK_SAMPLES)):
            at = columns.astype(np.int64) * count + number
            sizes: list[int] = all_chunks["size"][at].tolist()
            stops: list[int] = (base + ends[at]).tolist()
            checksums: list[int] = all_chunks["crc"][at].tolist()
            begin = number * CHUNK_SAMPLES
            length = min(CHUNK_SAMPLES, entry.rows - begin)
            low, high = max(first - begin, 0), min(last - begin, length)
            is_whole = low == 0 and high == length
            start = begin + low - first
            for row, size, stop, checksum in zip(out, sizes, stops, checksums, strict=True):
                part = row[start : start + high - low]
                target = part if is_whole else scratch[:length]
                self._read_chunk(entry, size, stop, checksum, target)
                if not is_whole:
                    part[:] = target[low:high]

    def _read_chunk(
        self, entry: TableEntry, size: int, stop: int, checksum: int, out: FloatArray
    ) -> None:
        data = self._data[stop - size : stop]
        try:
            _check(data, checksum)
            decode_chunk(data, out)
        except ChunkError as error:
            out.fill(ABSENT)
            self._on_damage(self.path, f"table {entry.key!r}, before byte {stop}: {error}")

    def _section(self, name: str) -> memoryview:
        offset, size = self._sections[name]
        return memoryview(self._index)[offset : offset + size]

    def _array(self, name: str, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        return np.frombuffer(self._section(name), dtype)


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
    if meta["version"] != VERSION:
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
