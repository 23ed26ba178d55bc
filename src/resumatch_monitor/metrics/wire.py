"""Protobuf's wire format, read field by field without a schema."""

from collections.abc import Iterator
from typing import NamedTuple

VARINT = 0
FIXED64 = 1
BYTES = 2
_GROUP_START = 3
_GROUP_END = 4
_FIXED32 = 5

_LARGEST_TAG = (1 << 32) - 1
_MASK64 = (1 << 64) - 1
_SIGN64 = 1 << 63
_MOST_VARINT_BITS = 63
_DEEPEST_GROUP = 100


class WireError(ValueError):
    """The bytes are not a protobuf message; the message says where they stop being one."""


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: The field's number in the schema.
        kind: `VARINT`, `FIXED64`, `BYTES` or another wire type that is to be skipped.
        begin: Where the field's tag begins.
        start: Where its content begins.
        stop: Where its content ends.
        value: The content of a varint, unsigned; 0 for other kinds.
    """

    number: int
    kind: int
    begin: int
    start: int
    stop: int
    value: int


def read_varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Return the unsigned varint at `position`, cut to 64 bits, and where it ends.

    Raises:
        WireError: If it is cut off or longer than ten bytes.
    """
    value = shift = 0
    start = position
    while position < end:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _MASK64, position
        shift += 7
        if shift > _MOST_VARINT_BITS:
            raise WireError(f"the number at byte {start} is longer than ten bytes")
    raise WireError(f"the number at byte {start} is cut off")


def to_signed(value: int) -> int:
    """Return the int64 that an unsigned varint stands for."""
    return value - (1 << 64) if value & _SIGN64 else value


def walk(data: bytes, position: int, end: int) -> Iterator[Field]:
    """Yield the fields of the message `data[position:end]`; groups are passed over.

    Raises:
        WireError: If the bytes are not a message.
    """
    groups: list[int] = []
    while position < end:
        begin = position
        tag, start = read_varint(data, position, end)
        number, kind = tag >> 3, tag & 7
        if tag > _LARGEST_TAG or not number:
            raise WireError(f"there is no field with the tag at byte {begin}")
        if kind == _GROUP_START:
            groups.append(number)
            if len(groups) > _DEEPEST_GROUP:
                raise WireError(f"the groups at byte {begin} are nested too deeply")
            position = start
        elif kind == _GROUP_END:
            if not groups or groups.pop() != number:
                raise WireError(f"no group ends at byte {begin}")
            position = start
        else:
            field = _read_content(data, begin, start, end, number, kind)
            position = field.stop
            if not groups:
                yield field
    if groups:
        raise WireError("a group does not end")


def _read_content(data: bytes, begin: int, start: int, end: int, number: int, kind: int) -> Field:
    value = 0
    if kind == VARINT:
        value, stop = read_varint(data, start, end)
    elif kind == BYTES:
        size, start = read_varint(data, start, end)
        stop = start + size
    elif kind == FIXED64:
        stop = start + 8
    elif kind == _FIXED32:
        stop = start + 4
    else:
        raise WireError(f"there is no wire type {kind}, at byte {begin}")
    if stop > end:
        raise WireError(f"the field at byte {begin} is cut off")
    return Field(number, kind, begin, start, stop, value)
