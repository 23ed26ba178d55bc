"""All the files that are followed: found, renamed, truncated, read."""

import logging
import os
import stat
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from resumatch_monitor.logs.files.followed import (
    FileBatch,
    FollowedFile,
    ReplacedError,
    find_rest,
    read_head,
)
from resumatch_monitor.logs.files.patterns import FilePattern
from resumatch_monitor.logs.files.positions import (
    Position,
    PositionFile,
    Positions,
    PositionsError,
    take_fingerprint,
)

logger = logging.getLogger(__name__)

MAX_FILES = 5_000
_MAX_OPEN = 256
_MAX_LEAVING = 128
_MAX_GONE = 1_000
_FOLDER_LIMIT = 5_000
_TURN_BYTES = 4 * 1024 * 1024
_LOOK_SECONDS = 0.2
_FIND_SECONDS = 1.0
_SAVE_SECONDS = 1.0
_IDLE_SECONDS = 10.0
_LINGER_SECONDS = 30.0
"""Who writes a file may go on for a while after it was renamed."""

_Identity: TypeAlias = tuple[int, int]


class Follower:
    """Reads what followed files have gained, a bounded part at a turn.

    One thread at a time may take a turn; `close` may be called meanwhile and waits for its end.
    """

    def __init__(
        self,
        patterns: Sequence[FilePattern],
        positions: PositionFile,
        *,
        new_life: Callable[[], str],
        max_files: int = MAX_FILES,
        linger_seconds: float = _LINGER_SECONDS,
    ) -> None:
        """Take what is configured; no file is touched yet.

        Args:
            patterns: A file belongs to the first that it matches.
            positions: Where it is kept how far files were read.
            new_life: Makes names that were never used.
            max_files: How many are followed at once.
            linger_seconds: For how long a file that was renamed may gain nothing before it is
                taken to be whole.
        """
        self._patterns: Mapping[str, FilePattern] = {each.name: each for each in patterns}
        self._position_file = positions
        self._new_life = new_life
        self._max_files = max_files
        self._linger_seconds = linger_seconds
        self._lock = threading.Lock()
        self._told: set[str] = set()
        self._reset()

    def _reset(self) -> None:
        self._files: dict[str, FollowedFile] = {}
        self._leaving: list[FollowedFile] = []
        self._gone: dict[str, Position] = {}
        self._known_patterns: frozenset[str] | None = None
        self._look_at = self._find_at = self._save_at = float("-inf")
        self._must_save = self._may_save = self.has_more = False
        self._first = 0

    @property
    def count(self) -> int:
        """How many files are followed."""
        return len(self._files) + len(self._leaving)

    def turn(self, now: float) -> list[FileBatch]:
        """Return what is new in the files, some megabytes at most; blocks.

        What the turn before returned must be in the spool, and `FollowedFile.advance` called.

        Args:
            now: By the monotonic clock.

        Raises:
            OSError: If positions cannot be saved; nothing was read.
        """
        with self._lock:
            if self._known_patterns is None:
                self._resume(now)
            self._leaving = [each for each in self._leaving if not self._let_go(each)]
            if now >= self._look_at:
                self._look_at = now + _LOOK_SECONDS
                self._look(now)
            # The name of a file's records must outlive what bears it.
            if self._must_save or (self._may_save and now >= self._save_at):
                self._save(now)
            batches = self._read(now)
            self._limit_open(now)
            self._may_save = self._may_save or bool(batches)
            return batches

    def _look(self, now: float) -> None:
        """See which files have grown, moved or come; at those that rest, once a second."""
        is_time_to_find = now >= self._find_at
        for file in list(self._files.values()):
            if is_time_to_find or now - file.grown_at < _IDLE_SECONDS:
                self._inspect(file, now)
        if is_time_to_find:
            self._find_at = now + _FIND_SECONDS
            self._find(now)

    def close(self) -> None:
        """Save what is known and close all files; blocks."""
        with self._lock:
            if self._known_patterns is None:
                return
            try:
                self._save(0.0)
            except OSError as error:
                logger.warning("It cannot be kept how far logs were read: %s", error)
            for file in self._all():
                file.close()
            self._reset()

    def _all(self) -> list[FollowedFile]:
        return [*self._files.values(), *self._leaving]

    def _save(self, now: float) -> None:
        followed = [each.position for each in self._all()]
        names = {(each.path, each.life) for each in followed}
        gone = [each for each in self._gone.values() if (each.path, each.life) not in names]
        self._position_file.save([*followed, *gone], self._patterns)
        self._must_save = self._may_save = False
        self._save_at = now + _SAVE_SECONDS

    def _resume(self, now: float) -> None:
        try:
            saved = self._position_file.load()
        except PositionsError as error:
            logger.warning(
                "How far logs were read is not known any more (%s): from the start", error
            )
            saved = Positions(patterns=frozenset(self._patterns))
        self._known_patterns = saved.patterns
        self._must_save = True
        for position in saved.files:
            pattern = self._patterns.get(position.pattern)
            if pattern is not None:
                self._resume_file(pattern, position, now)

    def _resume_file(self, pattern: FilePattern, position: Position, now: float) -> None:
        status = self._stat(position.path)
        if status is not None and _is_continued(position, status):
            known = replace(position, device=status.st_dev)
            self._files[position.path] = FollowedFile(pattern, known, now)
        elif not self._follow_rest(pattern, position, now):
            self._remember(position)

    def _let_go(self, file: FollowedFile) -> bool:
        if file.is_over:
            file.close()
            self._may_save = True
            gone = self._gone.get(file.position.path)
            if gone is not None and gone.life == file.position.life:
                self._gone[gone.path] = file.position
        return file.is_over

    def _stat(self, path: str) -> os.stat_result | None:
        try:
            return os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self._tell(path, error)
            return None

    def _tell(self, path: str, error: OSError) -> None:
        if path not in self._told and len(self._told) < self._max_files:
            self._told.add(path)
            logger.warning("The log %s cannot be read: %s", path, error.strerror)

    def _inspect(self, file: FollowedFile, now: float) -> None:
        path = file.position.path
        try:
            status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            self._remember(file.position)
            self._leave(file, now)
            return
        except OSError as error:
            self._tell(path, error)
            return
        if file.is_same(status):
            file.seen_size = status.st_size
            return
        self._leave(file, now)
        self._meet(path, file.pattern, now)

    def _remember(self, position: Position) -> None:
        """Keep how far a file was read that is gone: its folder may come back."""
        self._gone.pop(position.path, None)
        self._gone[position.path] = position
        if len(self._gone) > _MAX_GONE:
            del self._gone[next(iter(self._gone))]

    def _leave(self, file: FollowedFile, now: float) -> None:
        """Read what is left of a file that is not at its path any more."""
        del self._files[file.position.path]
        self._must_save = True
        if not file.is_open:
            self._follow_rest(file.pattern, file.position, now)
            return
        file.is_leaving, file.grown_at = True, now
        self._leaving.append(file)

    def _follow_rest(self, pattern: FilePattern, position: Position, now: float) -> bool:
        path = find_rest(position, _FOLDER_LIMIT)
        status = None if path is None else self._stat(str(path))
        if path is None or status is None:
            return False
        known = replace(position, inode=status.st_ino, device=status.st_dev)
        if (known.inode, known.device) in self._identities():
            return False
        rest = FollowedFile(pattern, known, now)
        rest.is_leaving = True
        try:
            rest.open(str(path))
        except (OSError, ReplacedError):
            return False
        self._leaving.append(rest)
        return True

    def _identities(self) -> dict[_Identity, FollowedFile]:
        return {(each.position.inode, each.position.device): each for each in self._all()}

    def _find(self, now: float) -> None:
        known = self._identities()
        for pattern in self._patterns.values():
            # One more than fit, so that it is told.
            for path in pattern.find(self._max_files + 1):
                if path not in self._files:
                    self._meet(path, pattern, now, known)
        assert self._known_patterns is not None
        self._known_patterns |= self._patterns.keys()

    def _meet(
        self,
        path: str,
        pattern: FilePattern,
        now: float,
        known: dict[_Identity, FollowedFile] | None = None,
    ) -> None:
        status = self._stat(path)
        if status is None or not stat.S_ISREG(status.st_mode):
            return
        known = self._identities() if known is None else known
        file = known.get((status.st_ino, status.st_dev))
        if file is not None:
            if file.is_leaving and not file.is_over:
                # Renamed to what a pattern leads to.
                self._leaving.remove(file)
                self._gone.pop(path, None)
                file.move_to(path)
                self._add(file, known)
            return
        if self.count >= self._max_files:
            self._tell(path, OSError(0, f"{self._max_files} files are followed already"))
            return
        assert self._known_patterns is not None
        is_late = pattern.starts_at_end and pattern.name not in self._known_patterns
        gone = self._gone.pop(path, None)
        if gone is not None and _is_continued(gone, status):
            position = replace(gone, device=status.st_dev, pattern=pattern.name)
        else:
            position = Position(
                path=path,
                pattern=pattern.name,
                inode=status.st_ino,
                device=status.st_dev,
                life=self._new_life(),
                offset=status.st_size if is_late else 0,
                fingerprint=take_fingerprint(read_head(path)),
            )
        file = FollowedFile(pattern, position, now)
        file.seen_size = status.st_size
        self._add(file, known)

    def _add(self, file: FollowedFile, known: dict[_Identity, FollowedFile]) -> None:
        self._files[file.position.path] = file
        known[file.position.inode, file.position.device] = file
        self._must_save = True

    def _read(self, now: float) -> list[FileBatch]:
        files = self._all()
        # Who was last for want of room is first at the next turn.
        first = self._first % len(files) if files else 0
        room, self.has_more = _TURN_BYTES, False
        batches: list[FileBatch] = []
        for index, file in enumerate((*files[first:], *files[:first])):
            if room <= 0:
                self._first, self.has_more = first + index, True
                break
            if not file.has_work:
                continue
            before = file.read_bytes
            batches += self._read_file(file, now)
            room -= file.read_bytes - before
            self.has_more = self.has_more or file.read_bytes > before
        return batches

    def _read_file(self, file: FollowedFile, now: float) -> Iterable[FileBatch]:
        path = file.position.path
        try:
            batch = file.read(now)
        except ReplacedError:
            batch = self._replace(file, now)
        except OSError as error:
            self._tell(path, error)
            return ()
        else:
            self._told.discard(path)
            if batch is None and file.is_leaving and self._is_quiet(file, now):
                file.is_over = True
                batch = file.finish()
        return () if batch is None else (batch,)

    def _is_quiet(self, file: FollowedFile, now: float) -> bool:
        is_crowded = len(self._leaving) > _MAX_LEAVING
        return is_crowded or now - file.grown_at >= self._linger_seconds

    def _replace(self, file: FollowedFile, now: float) -> FileBatch | None:
        """Begin anew with a file that was truncated or overwritten; save what was copied of it."""
        path = file.position.path
        file.close()
        if file.is_leaving:
            file.is_over = True
            return file.finish()
        status = self._stat(path)
        if status is None or not file.is_same(status):
            # It was renamed in this moment: the next turn sees it.
            return None
        del self._files[path]
        is_copied = self._follow_rest(file.pattern, file.position, now)
        self._meet(path, file.pattern, now)
        return None if is_copied else file.finish()

    def _limit_open(self, now: float) -> None:
        held = [each for each in self._files.values() if each.is_open]
        held.sort(key=lambda each: each.grown_at)
        too_many = max(0, len(held) - _MAX_OPEN)
        for index, file in enumerate(held):
            if index < too_many or now - file.grown_at > _IDLE_SECONDS:
                file.close()


def _is_continued(position: Position, status: os.stat_result) -> bool:
    if status.st_ino != position.inode or status.st_size < position.offset:
        return False
    head = read_head(position.path)
    # Unreadable at the moment is no reason to begin anew.
    return not head or position.fingerprint.fits(head)
