"""A record as a line of bytes, and lines as compressed blocks."""

from collections.abc import Sequence

import orjson
import zstandard

from resumatch_monitor.logs.record import LogRecord

_LEVEL = 3
_LARGEST_BYTES = 256 * 1024 * 1024
_DICTIONARY_BYTES = 64 * 1024


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


class BlockCompressor:
    """Packs lines, with a dictionary or with none; for one thread."""

    def __init__(self, dictionary: bytes | None) -> None:
        self._compressor = zstandard.ZstdCompressor(
            level=_LEVEL, dict_data=_load(dictionary), write_content_size=True, write_dict_id=False
        )

    def pack(self, lines: Sequence[bytes]) -> bytes:
        """Return `lines` as one block."""
        return self._compressor.compress(b"\n".join(lines))


class BlockDecompressor:
    """Unpacks what a `BlockCompressor` with the same dictionary packed; for one thread."""

    def __init__(self, dictionary: bytes | None) -> None:
        self._decompressor = zstandard.ZstdDecompressor(dict_data=_load(dictionary))

    def unpack(self, data: bytes) -> list[bytes]:
        """Return the lines of a block.

        Raises:
            CodecError: If it is damaged.
        """
        try:
            return self._decompressor.decompress(data, max_output_size=_LARGEST_BYTES).split(b"\n")
        except zstandard.ZstdError as error:
            raise CodecError("a block of records is damaged") from error


def train_dictionary(samples: Sequence[bytes]) -> bytes | None:
    """Return a dictionary for lines like `samples`; None if there is not enough of them."""
    try:
        return zstandard.train_dictionary(_DICTIONARY_BYTES, list(samples)).as_bytes()
    except zstandard.ZstdError:
        return None


def _load(dictionary: bytes | None) -> zstandard.ZstdCompressionDict | None:
    return None if dictionary is None else zstandard.ZstdCompressionDict(dictionary)
