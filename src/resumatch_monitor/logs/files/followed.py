"""One file that is followed."""

import os
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from resumatch_monitor.logs.files.assembling import Assembler, Piece
from resumatch_monitor.logs.files.patterns import FilePattern
from resumatch_monitor.logs.files.positions import (
    FINGERPRINT_BYTES,
    Position,
    take_fingerprint,
)
from resumatch_monitor.logs.formats.lines import encode_line

READ_BYTES = 1024 * 1024


class ReplacedError(Exception):
    """The file holds something else than before: it was truncated, or its inode given again."""


@dataclass(frozen=True, slots=True)
class FileBatch:
    """Lines of a file that are to be kept.

    Attributes:
        lines: As the format `lines` has them.
        until: From where to read on, once they are.
    """

    file: "FollowedFile"
    lines: tuple[bytes, ...]
    until: int


class FollowedFile:
    """Reads what a file has gained.

    Attributes:
        is_leaving: It is no longer at its path; it is read to its end and then forgotten.
        is_over: It was read to its end.
        grown_at: When it last had something new, by the monotonic clock.
        seen_size: How long it was when its path was last looked at.
        read_bytes: How much was read of it so far.
    """

    def __init__(self, pattern: FilePattern, position: Position, now: float) -> None:
        self.pattern = pattern
        self.position = position
        self.is_leaving = self.is_over = False
        self.seen_size = self.read_bytes = 0
        self.grown_at = now
        self._assembler = Assembler(pattern.rules, position.offset)
        self._descriptor: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether it holds a file descriptor."""
        return self._descriptor is not None

    @property
    def has_work(self) -> bool:
        """Whether reading it may give something."""
        return (
            self.is_leaving
            or self._assembler.waits
            or self.seen_size != self._assembler.read_offset
        )

    def is_same(self, status: os.stat_result) -> bool:
        """Tell whether a path leads to this file."""
        return (status.st_ino, status.st_dev) == (self.position.inode, self.position.device)

    def advance(self, until: int) -> None:
        """Note that everything before `until` is kept."""
        self.position = replace(self.position, offset=until)

    def open(self, path: str | None = None) -> None:
        """Hold the file open, so that it can be read after it was renamed or deleted.

        Raises:
            OSError: If it cannot be opened.
            ReplacedError: If another file is there.
        """
        if self._descriptor is not None:
            return
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(path or self.position.path, flags)
        if not self.is_same(os.fstat(descriptor)):
            os.close(descriptor)
            raise ReplacedError
        self._descriptor = descriptor

    def close(self) -> None:
        """Let go of the file; it is opened again when it grows."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def read(self, now: float) -> FileBatch | None:
        """Return what is new and whole, `READ_BYTES` of it at most; None if nothing is.

        Raises:
            OSError: If it cannot be read.
            ReplacedError: If it is not what it was.
        """
        self.open()
        assert self._descriptor is not None
        size = os.fstat(self._descriptor).st_size
        if size < self._assembler.read_offset:
            raise ReplacedError
        data = b""
        if size > self._assembler.read_offset:
            self._check_beginning()
            data = os.pread(self._descriptor, READ_BYTES, self._assembler.read_offset)
        if data:
            self.grown_at = now
            self.read_bytes += len(data)
        pieces = self._assembler.feed(data) if data else []
        if not data and self._has_waited(now):
            pieces = self._assembler.flush()
        return self._pack(pieces)

    def move_to(self, path: str) -> None:
        """Note that it is at another path."""
        self.position = replace(self.position, path=path)
        self.is_leaving = False

    def finish(self) -> FileBatch | None:
        """Return what is left, the line without an end included: nothing more will come."""
        return self._pack(self._assembler.flush(is_over=True))

    def _check_beginning(self) -> None:
        """Compare the first bytes with what they were; remember more of them if there are more.

        Raises:
            OSError: If they cannot be read.
            ReplacedError: If they are others.
        """
        assert self._descriptor is not None
        known = self.position.fingerprint
        head = os.pread(self._descriptor, FINGERPRINT_BYTES, 0)
        if not known.fits(head):
            raise ReplacedError
        if len(head) > known.size:
            self.position = replace(self.position, fingerprint=take_fingerprint(head))

    def _has_waited(self, now: float) -> bool:
        return self._assembler.waits and now - self.grown_at >= self.pattern.wait_seconds

    def _pack(self, pieces: list[Piece]) -> FileBatch | None:
        until = self._assembler.safe_offset
        if not pieces and until == self.position.offset:
            return None
        life = self.position.life
        # The end is part of the name: read again, a record may have gained lines.
        lines = tuple(encode_line(f"{life}:{each.start}-{each.end}", each.text) for each in pieces)
        return FileBatch(self, lines, until)


def find_rest(position: Position, limit: int) -> Path | None:
    """Return where a file lies that is no longer at its path: renamed, or copied and truncated.

    Args:
        position: What is known of it.
        limit: How many files of its folder are looked at.
    """
    lost = Path(position.path)
    stem = lost.name.partition(".")[0]
    copy: Path | None = None
    try:
        with os.scandir(lost.parent) as entries:
            for entry in islice(entries, limit):
                kind = _compare(entry, position, stem)
                if kind == "renamed":
                    return Path(entry.path)
                if kind == "copied" and copy is None:
                    copy = Path(entry.path)
    except OSError:
        return None
    return copy


def _compare(entry: os.DirEntry[str], position: Position, stem: str) -> str:
    if not entry.is_file(follow_symlinks=False):
        return ""
    status = entry.stat(follow_symlinks=False)
    is_renamed = status.st_ino == position.inode
    # Files of another name may begin alike: with a banner, say.
    is_copy = position.fingerprint.is_telling and entry.name.startswith(stem)
    if status.st_size < position.offset or not (is_renamed or is_copy):
        return ""
    if not position.fingerprint.fits(read_head(entry.path)):
        return ""
    return "renamed" if is_renamed else "copied"


def read_head(path: str) -> bytes:
    """Return a file's first bytes; none if it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.pread(descriptor, FINGERPRINT_BYTES, 0)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
