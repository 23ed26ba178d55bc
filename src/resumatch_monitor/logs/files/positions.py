"""How far each file was read, kept over restarts."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

FINGERPRINT_BYTES = 1024
_TELLING_BYTES = 64
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a file begins with: inodes are given again to other files.

    Attributes:
        size: Of how many bytes the digest is.
    """

    size: int = 0
    digest: str = ""

    @property
    def is_telling(self) -> bool:
        """Whether two files that share it are hardly different ones."""
        return self.size >= _TELLING_BYTES

    def fits(self, head: bytes) -> bool:
        """Tell whether a file with this beginning may be the same file, grown."""
        return len(head) >= self.size and take_fingerprint(head[: self.size]) == self


def take_fingerprint(head: bytes) -> Fingerprint:
    """Return the fingerprint of a file's first bytes, `FINGERPRINT_BYTES` at most."""
    return Fingerprint(len(head), hashlib.blake2b(head, digest_size=8).hexdigest())


@dataclass(frozen=True, slots=True)
class Position:
    """How far a file was read.

    Attributes:
        path: Where it was last seen.
        pattern: The configuration's, by which it was found.
        life: Made when it was found empty or new; with offsets it names the file's records.
        offset: Everything before it is in the spool.
    """

    path: str
    pattern: str
    inode: int
    device: int
    life: str
    offset: int = 0
    fingerprint: Fingerprint = Fingerprint()


@dataclass(frozen=True, slots=True)
class Positions:
    """What is kept.

    Attributes:
        patterns: Those that were in use.
    """

    files: tuple[Position, ...] = ()
    patterns: frozenset[str] = frozenset()


class PositionsError(Exception):
    """The file of positions is damaged."""


class PositionFile:
    """Positions in a file that is replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Positions:
        """Return what was saved last; blocks.

        Raises:
            PositionsError: If that cannot be read.
            OSError: If the file cannot be.
        """
        try:
            values = orjson.loads(self._path.read_bytes())
        except FileNotFoundError:
            return Positions()
        except orjson.JSONDecodeError as error:
            raise PositionsError("it is no JSON") from error
        try:
            if values["version"] != _VERSION:
                raise PositionsError("it is of another version")
            files = tuple(_read(each) for each in values["files"])
            return Positions(files, frozenset(values["patterns"]))
        except (KeyError, TypeError, ValueError) as error:
            raise PositionsError("it has another form") from error

    def save(self, files: Iterable[Position], patterns: Iterable[str]) -> None:
        """Keep positions; they are on the disk when this returns; blocks.

        Raises:
            OSError: If that cannot be done; what was saved before is still there.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        values = {
            "version": _VERSION,
            "patterns": sorted(patterns),
            "files": [asdict(each) for each in files],
        }
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(orjson.dumps(values, option=orjson.OPT_INDENT_2))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _read(values: dict[str, Any]) -> Position:
    fingerprint = Fingerprint(**values.pop("fingerprint"))
    position = Position(**values, fingerprint=fingerprint)
    if position.offset < 0:
        raise ValueError("offset")
    return position
