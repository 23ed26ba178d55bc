"""Makes records of a file's bytes: lines, and lines that belong together."""

from collections.abc import Callable
from dataclasses import dataclass

_TRACEBACK = b"Traceback (most recent call last)"
_BELONGING = (
    b" ", b"\t", _TRACEBACK, b"Caused by: ", b"Suppressed: ", b"at ", b"... ",
    b"During handling of the above exception", b"The above exception was the direct cause",
)  # fmt: skip
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Rules:
    """How lines make records.

    Attributes:
        is_first: Tells the first line of a record, where the configuration says how.
        joins: Whether lines are joined at all.
        has_json: Whether a line that begins with a brace is a record of its own.
        max_lines: How many lines make one record at most.
        max_bytes: How long a line or a record may be.
    """

    is_first: Callable[[str], bool] | None = None
    joins: bool = True
    has_json: bool = True
    max_lines: int = 500
    max_bytes: int = 256 * 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """A record of a file.

    Attributes:
        start: Where in the file it begins.
        end: Where what follows it begins.
    """

    start: int
    end: int
    text: str


class Assembler:
    """Takes the bytes of one file in order; gives records as soon as they are whole.

    What is given does not depend on how the bytes were cut, apart from `flush`.
    """

    def __init__(self, rules: Rules, offset: int) -> None:
        self._rules = rules
        self._line = bytearray()
        self._line_start = offset
        self._line_bytes = 0
        self._skipped = 0
        self._group: list[bytes] = []
        self._group_start = self._group_end = offset
        self._group_bytes = 0
        self._is_in_frames = self._is_trace = False
        self._pieces: list[Piece] = []

    @property
    def safe_offset(self) -> int:
        """From where to read again after a restart: everything before it was given."""
        return self._group_start if self._group else self._line_start

    @property
    def read_offset(self) -> int:
        """Where the next byte to feed lies."""
        return self._line_start + self._line_bytes + self._skipped

    @property
    def waits(self) -> bool:
        """Whether a record might be continued by the next line."""
        return bool(self._group)

    def feed(self, data: bytes) -> list[Piece]:
        """Take the next bytes; return the records that they complete."""
        *ended, rest = data.split(b"\n")
        for part in ended:
            self._extend(part)
            self._end_line(1)
        self._extend(rest)
        return self._give()

    def flush(self, *, is_over: bool = False) -> list[Piece]:
        """Return the record that waits for more lines.

        Args:
            is_over: The file will not grow any more: what follows the last line break is a line.
        """
        if is_over and self._line_bytes + self._skipped:
            self._end_line(0)
        self._close_group()
        return self._give()

    def _give(self) -> list[Piece]:
        pieces, self._pieces = self._pieces, []
        return pieces

    def _extend(self, part: bytes) -> None:
        if not self._line_bytes:
            # Who writes on at his old place after a truncation leaves a hole of zeros.
            shown = part.lstrip(b"\0")
            self._skipped += len(part) - len(shown)
            part = shown
        self._line_bytes += len(part)
        room = self._rules.max_bytes - len(self._line)
        if room > 0:
            self._line += part[:room]

    def _end_line(self, break_bytes: int) -> None:
        line, total, start = bytes(self._line), self._line_bytes, self._line_start
        self._line.clear()
        self._line_start += total + self._skipped + break_bytes
        self._line_bytes = self._skipped = 0
        if not start:
            line = line.removeprefix(_BOM)
        if total > self._rules.max_bytes:
            line += f"… [cut: {total} bytes]".encode()
        self._add_line(line.removesuffix(b"\r"), start)

    def _add_line(self, line: bytes, start: int) -> None:
        if self._group and self._continues(line):
            if self._has_room(line):
                self._join(line)
                return
            self._group[-1] += "… [continued in the next record]".encode()
        self._close_group()
        if not line.strip():
            return
        self._group_start = start
        self._join(line)
        if not self._rules.joins or self._is_json(line):
            self._close_group()

    def _has_room(self, line: bytes) -> bool:
        is_short = len(self._group) < self._rules.max_lines
        return is_short and self._group_bytes + len(line) < self._rules.max_bytes

    def _join(self, line: bytes) -> None:
        self._group.append(line)
        self._group_bytes += len(line) + 1
        self._group_end = self._line_start
        if line.startswith(_TRACEBACK):
            self._is_trace = self._is_in_frames = True
        elif self._is_in_frames and not line.startswith((b" ", b"\t")):
            # What was raised: the line after the frames.
            self._is_in_frames = False

    def _continues(self, line: bytes) -> bool:
        rules = self._rules
        if rules.is_first is not None:
            return not rules.is_first(line.decode("utf-8", errors="replace"))
        if not rules.joins or self._is_json(line):
            return False
        if not line.strip():
            return self._is_trace
        return line.startswith(_BELONGING) or (self._is_in_frames and not line[:1].isdigit())

    def _is_json(self, line: bytes) -> bool:
        return self._rules.has_json and self._rules.is_first is None and line.startswith(b"{")

    def _close_group(self) -> None:
        if not self._group:
            return
        text = b"\n".join(self._group).decode("utf-8", errors="replace").rstrip()
        self._pieces.append(Piece(self._group_start, self._group_end, text))
        self._group.clear()
        self._group_bytes = 0
        self._is_in_frames = self._is_trace = False
