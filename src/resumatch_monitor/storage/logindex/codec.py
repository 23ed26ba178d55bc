"""A record as a line of bytes, and lines as compressed blocks."""

from collections.abc import Sequence
from typing import Any, cast

import msgspec
import orjson
import zstandard

from resumatch_monitor.logs.record import STACK_TRACE, LogRecord

_LEVEL = 3
THOROUGH_LEVEL = 9
"""For what is packed once, in the background, and kept."""
_LARGEST_BYTES = 256 * 1024 * 1024
_LARGEST_DICTIONARY = 64 * 1024
_SMALLEST_DICTIONARY = 2 * 1024
_DICTIONARY_SHARE = 16
"""Of what is packed; a larger part takes more room than it saves."""


class CodecError(Exception):
    """The bytes are none that this version wrote."""


def encode_record(record: LogRecord, seq: int) -> bytes:
    """Return a record and its place as one line, without the line break."""
    return orjson.dumps(
        [
            seq,
            record.timestamp_us,
            record.observed_us,
            record.severity,
            record.severity_text,
            record.body,
            record.service,
            record.environment,
            record.release,
            record.host,
            record.logger,
            record.trace_id,
            record.span_id,
            record.source,
            record.record_id,
            record.attributes,
        ]
    )


def decode_record(line: bytes) -> tuple[int, LogRecord]:
    """Read what `encode_record` wrote.

    Raises:
        CodecError: If it did not.
    """
    try:
        seq, *values = orjson.loads(line)
        return seq, LogRecord(*values)
    except (ValueError, TypeError) as error:
        raise CodecError("the record is damaged") from error


class _Peeked(msgspec.Struct, array_like=True, gc=False):
    """The fields of a line in order, the attributes unread until somebody asks for them."""

    seq: int
    timestamp_us: int
    observed_us: int
    severity: int
    severity_text: str
    body: str
    service: str
    environment: str
    release: str
    host: str
    logger: str
    trace_id: str
    span_id: str
    source: str
    record_id: str
    packed: msgspec.Raw

    @property
    def attributes(self) -> dict[str, Any]:
        return orjson.loads(bytes(self.packed))

    @property
    def stack_trace(self) -> str:
        if _STACK_KEY not in bytes(self.packed):
            return ""
        value = self.attributes.get(STACK_TRACE)
        return value if isinstance(value, str) else ""


_STACK_KEY = orjson.dumps(STACK_TRACE)
_decode_peeked = msgspec.json.Decoder(_Peeked).decode


def peek_record(line: bytes) -> LogRecord:
    """Read what `encode_record` wrote, as far as it takes to tell whether the record matches.

    That is three times as quick as `decode_record`; the record is good for being asked, no more.

    Raises:
        CodecError: If it did not.
    """
    try:
        return cast("LogRecord", _decode_peeked(line))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CodecError("the record is damaged") from error


class BlockCompressor:
    """Packs lines, with a dictionary or with none; for one thread."""

    def __init__(self, dictionary: bytes | None, *, level: int = _LEVEL) -> None:
        self._compressor = zstandard.ZstdCompressor(
            level=level, dict_data=_load(dictionary), write_content_size=True, write_dict_id=False
        )

    def pack(self, lines: Sequence[bytes]) -> bytes:
        """Return `lines` as one block."""
        return self._compressor.compress(b"\n".join(lines))


class BlockDecompressor:
    """Unpacks what a `BlockCompressor` with the same dictionary packed; for one thread."""

    def __init__(self, dictionary: bytes | None) -> None:
        self._decompressor = zstandard.ZstdDecompressor(dict_data=_load(dictionary))

    def unpack(self, data: bytes) -> bytes:
        """Return the lines of a block, parted by line breaks.

        Raises:
            CodecError: If it is damaged.
        """
        try:
            return self._decompressor.decompress(data, max_output_size=_LARGEST_BYTES)
        except zstandard.ZstdError as error:
            raise CodecError("a block of records is damaged") from error


def train_dictionary(samples: Sequence[bytes], packed_bytes: int) -> bytes | None:
    """Return a dictionary for lines like `samples`, of so many bytes when packed without one.

    Returns:
        None if it would not pay.
    """
    size = min(_LARGEST_DICTIONARY, packed_bytes // _DICTIONARY_SHARE)
    if size < _SMALLEST_DICTIONARY:
        return None
    try:
        return zstandard.train_dictionary(size, list(samples)).as_bytes()
    except zstandard.ZstdError:
        return None


def _load(dictionary: bytes | None) -> zstandard.ZstdCompressionDict | None:
    return None if dictionary is None else zstandard.ZstdCompressionDict(dictionary)
