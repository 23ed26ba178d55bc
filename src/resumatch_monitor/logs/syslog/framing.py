"""Cuts a stream of syslog into messages, whichever framing the sender has."""

from dataclasses import dataclass

_LF, _NUL, _CR = 0x0A, 0x00, 0x0D
_BREAKS = frozenset((_LF, _NUL, _CR))
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Frame:
    """A message.

    Attributes:
        data: Without what ends it; its beginning, if it was too long.
        size: How long the message was, in bytes.
        is_cut: Whether `data` is not all of it.
    """

    data: bytes
    size: int
    is_cut: bool = False


class FrameSplitter:
    """Takes a connection's bytes in order; gives the messages that they complete.

    RFC 6587 has two framings, and others are in use: a message may be counted (`LEN SP <PRI>…`),
    or end at a line feed or a NUL. Each message tells by its beginning. Once one without a line
    feed has ended at a NUL, those that are not counted end there only, and may hold line feeds.
    What is given does not depend on how the bytes were cut.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._size = 0
        self._wanted = 0
        self._is_line = self._ends_at_nul = False
        self._frames: list[Frame] = []

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes; return the messages that are whole."""
        position = 0
        while position < len(data):
            if self._wanted:
                position = self._take_counted(data, position)
            elif self._is_line:
                position = self._take_line(data, position)
            else:
                position = self._begin(data, position)
        frames, self._frames = self._frames, []
        return frames

    def finish(self) -> list[Frame]:
        """Return what is left at the end of the connection: a message without its end, if any."""
        if self._size or self._buffer:
            is_cut = self._wanted > 0
            self._size = max(self._size, len(self._buffer)) + self._wanted
            self._end(is_cut=is_cut)
        frames, self._frames = self._frames, []
        return frames

    def _begin(self, data: bytes, position: int) -> int:
        """Look for what kind of message comes, a byte at a time: at most `LEN SP <`."""
        byte = data[position]
        if not self._buffer and byte in _BREAKS:
            return position + 1
        head = bytes(self._buffer)
        if 0x30 <= byte <= 0x39 and len(head) < _MOST_DIGITS and (not head or head.isdigit()):
            self._buffer.append(byte)
            return position + 1
        if byte == 0x20 and head.isdigit():
            self._buffer.append(byte)
            return position + 1
        if byte == 0x3C and head.endswith(b" "):
            self._wanted = int(head)
            self._buffer.clear()
            if self._wanted:
                return position
        self._is_line = True
        self._size = len(self._buffer)
        return position

    def _take_counted(self, data: bytes, position: int) -> int:
        part = data[position : position + self._wanted]
        self._append(part)
        self._wanted -= len(part)
        if not self._wanted:
            self._end()
        return position + len(part)

    def _take_line(self, data: bytes, position: int) -> int:
        end = data.find(b"\0", position)
        is_nul = end >= 0
        if not self._ends_at_nul:
            line_feed = data.find(b"\n", position, end if is_nul else len(data))
            if line_feed >= 0:
                end, is_nul = line_feed, False
        if end < 0:
            self._append(data[position:])
            return len(data)
        self._append(data[position:end])
        self._ends_at_nul = self._ends_at_nul or is_nul
        self._end()
        return end + 1

    def _append(self, part: bytes) -> None:
        self._size += len(part)
        room = self._max_bytes - len(self._buffer)
        if room > 0:
            self._buffer += part[:room]

    def _end(self, *, is_cut: bool = False) -> None:
        data = bytes(self._buffer).rstrip(b"\r\n\0")
        if data:
            is_cut = is_cut or self._size > self._max_bytes
            self._frames.append(Frame(data, self._size, is_cut))
        self._buffer.clear()
        self._size = self._wanted = 0
        self._is_line = False
