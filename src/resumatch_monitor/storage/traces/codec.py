"""Spans as bytes: compact JSON, compressed with a dictionary that was trained on others."""

from collections.abc import Sequence
from typing import Any

import orjson
import zstandard

from resumatch_monitor.tracing.model import Span, SpanEvent, SpanKind, SpanLink, SpanStatus

_VERSION = 1
_LEVEL = 3
_LARGEST_BYTES = 256 * 1024 * 1024
_DICTIONARY_BYTES = 64 * 1024
_KINDS = tuple(SpanKind)
_KIND_NUMBERS = {kind: number for number, kind in enumerate(_KINDS)}


class CodecError(Exception):
    """The bytes are none that this version wrote."""


def encode_spans(spans: Sequence[Span]) -> bytes:
    """Render spans of one trace, not yet compressed."""
    base_us = min(span.started_us for span in spans)
    homes: dict[tuple[int, str, str, str], int] = {}
    rows: list[list[Any]] = []
    for span in spans:
        home = (span.project_id, span.service, span.environment, span.release)
        row: list[Any] = [
            homes.setdefault(home, len(homes)),
            span.span_id,
            span.parent_span_id,
            span.name,
            span.op,
            _KIND_NUMBERS[span.kind] * 8 + int(span.status) * 2 + span.is_segment,
            span.status_text,
            span.started_us - base_us,
            span.duration_us,
            span.segment_id,
            "" if span.segment_name == span.name else span.segment_name,
            span.attributes,
        ]
        if span.links or span.events:
            row.append([[link.trace_id, link.span_id] for link in span.links])
            row.append(
                [[event.name, event.at_us - base_us, event.attributes] for event in span.events]
            )
        rows.append(row)
    return orjson.dumps([_VERSION, base_us, list(homes), rows], option=orjson.OPT_NON_STR_KEYS)


def decode_spans(data: bytes, trace_id: str) -> list[Span]:
    """Read what `encode_spans` wrote.

    Raises:
        CodecError: If it did not.
    """
    try:
        version, base_us, homes, rows = orjson.loads(data)
        if version != _VERSION:
            raise CodecError(f"version {version} of spans is not known")
        return [_decode_span(row, trace_id, base_us, homes) for row in rows]
    except (ValueError, TypeError, IndexError) as error:
        raise CodecError("the spans are damaged") from error


def _decode_span(row: list[Any], trace_id: str, base_us: int, homes: list[Any]) -> Span:
    project_id, service, environment, release = homes[row[0]]
    bits: int = row[5]
    has_more = len(row) > 12
    return Span(
        trace_id,
        row[1],
        row[2],
        project_id,
        service,
        environment,
        release,
        row[3],
        row[4],
        _KINDS[bits >> 3],
        SpanStatus(bits >> 1 & 3),
        row[6],
        row[7] + base_us,
        row[8],
        bool(bits & 1),
        row[9],
        row[10] or row[3],
        row[11],
        tuple(SpanLink(*link) for link in row[12]) if has_more else (),
        tuple(SpanEvent(name, at + base_us, attributes) for name, at, attributes in row[13])
        if has_more
        else (),
    )


class Compressor:
    """Compresses with one dictionary, or with none; for one thread."""

    def __init__(self, dictionary: bytes | None) -> None:
        self._compressor = zstandard.ZstdCompressor(
            level=_LEVEL, dict_data=_load(dictionary), write_content_size=True, write_dict_id=False
        )

    def compress(self, data: bytes) -> bytes:
        """Return `data` compressed."""
        return self._compressor.compress(data)


class Decompressor:
    """Unpacks what a `Compressor` with the same dictionary packed; for one thread."""

    def __init__(self, dictionary: bytes | None) -> None:
        self._decompressor = zstandard.ZstdDecompressor(dict_data=_load(dictionary))

    def decompress(self, data: bytes) -> bytes:
        """Return what was packed.

        Raises:
            CodecError: If it is damaged.
        """
        try:
            return self._decompressor.decompress(data, max_output_size=_LARGEST_BYTES)
        except zstandard.ZstdError as error:
            raise CodecError("the compressed spans are damaged") from error


def train_dictionary(samples: Sequence[bytes]) -> bytes | None:
    """Return a dictionary for data like `samples`; None if there is not enough of it."""
    try:
        return zstandard.train_dictionary(_DICTIONARY_BYTES, list(samples)).as_bytes()
    except zstandard.ZstdError:
        return None


def _load(dictionary: bytes | None) -> zstandard.ZstdCompressionDict | None:
    return None if dictionary is None else zstandard.ZstdCompressionDict(dictionary)
