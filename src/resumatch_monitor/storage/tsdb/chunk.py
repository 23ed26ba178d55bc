"""The bit-exact encoding of consecutive values, of one series or of a few after each other.

The first byte says how:

- 0: pcodec of all values;
- 1: one value, 8 bytes, that all have;
- 2: NaNs among numbers: the number of distinct NaN payloads (1 byte), the payloads, the size of
  the zstd-compressed codes (2 bytes), the codes (a byte a value: 0 for a number, else the number
  of the payload), then the numbers alone, encoded as a chunk; nothing if there are none;
- 3: zstd of the raw bytes, for what has more NaN payloads than a byte can number.

Keeping NaNs (staleness markers, gaps) out of pcodec's sight costs a gap some 20 bytes and leaves
the numbers compressible. A chunk that is absent throughout has no bytes at all.
"""

import struct
from typing import Any, cast

import numpy as np
import pcodec
import zstandard

from resumatch_monitor.metrics.samples import ABSENT, ABSENT_BITS, FloatArray, TimeArray

# The package has no type stubs.
_pco = cast("Any", pcodec).standalone
_CONFIG = cast("Any", pcodec).ChunkConfig(compression_level=8)

_PLAIN, _CONSTANT, _PATCHED, _RAW = range(4)
_MOST_PAYLOADS = 255
_LONGEST = 16384


class ChunkError(Exception):
    """The bytes are not a chunk of the expected length."""


def encode_chunk(values: FloatArray) -> bytes:
    """Encode (T,) values, 0 < T <= 16384."""
    values = np.ascontiguousarray(values, dtype=np.float64)
    bits = values.view(np.uint64)
    if bool((bits == bits[0]).all()):
        return b"" if bits[0] == ABSENT_BITS else bytes([_CONSTANT]) + bits[:1].tobytes()
    is_nan = np.isnan(values)
    if not is_nan.any():
        return bytes([_PLAIN]) + cast("bytes", _pco.simple_compress(values, _CONFIG))
    payloads, codes = np.unique(bits[is_nan], return_inverse=True)
    if len(payloads) > _MOST_PAYLOADS:
        return bytes([_RAW]) + zstandard.ZstdCompressor(level=3).compress(values.tobytes())
    marks = np.zeros(len(values), dtype=np.uint8)
    marks[is_nan] = codes + 1
    packed = zstandard.ZstdCompressor(level=3).compress(marks.tobytes())
    numbers = values[~is_nan]
    return b"".join(
        (
            bytes([_PATCHED, len(payloads)]),
            payloads.astype("<u8").tobytes(),
            struct.pack("<H", len(packed)),
            packed,
            encode_chunk(numbers) if len(numbers) else b"",
        )
    )


def encode_times(times: TimeArray) -> bytes:
    """Encode (T,) timestamps, T > 0."""
    return cast("bytes", _pco.simple_compress(np.ascontiguousarray(times), _CONFIG))


def decode_times(data: bytes, count: int) -> TimeArray:
    """Decode `count` timestamps.

    Raises:
        ChunkError: If `data` does not hold exactly that many.
    """
    out = np.empty(count, dtype=np.int64)
    try:
        progress = _pco.simple_decompress_into(data, out)
    # The decoder raises what it likes on damaged input.
    except Exception as error:
        raise ChunkError(f"timestamps do not decode: {error}") from error
    if progress.n_processed != count or not progress.finished:
        raise ChunkError(f"there are other than {count} timestamps")
    return out


def decode_chunk(data: bytes, out: FloatArray) -> None:
    """Fill `out`, (T,) and contiguous, with what `encode_chunk` was given.

    Raises:
        ChunkError: If `data` does not hold exactly T values.
    """
    try:
        _decode(data, out)
    except ChunkError:
        raise
    # The decoders raise what they like on damaged input.
    except Exception as error:
        raise ChunkError(f"a chunk does not decode: {error}") from error


def _decode(data: bytes, out: FloatArray) -> None:
    if not data:
        out.fill(ABSENT)
        return
    kind = data[0]
    if kind == _PLAIN:
        progress = _pco.simple_decompress_into(data[1:], out)
        if progress.n_processed != len(out) or not progress.finished:
            raise ChunkError(f"a chunk holds other than {len(out)} values")
    elif kind == _CONSTANT:
        out.view(np.uint64)[:] = np.frombuffer(data, "<u8", 1, 1)[0]
    elif kind == _PATCHED:
        _decode_patched(data, out)
    elif kind == _RAW:
        raw = zstandard.ZstdDecompressor().decompress(data[1:], max_output_size=_LONGEST * 8)
        out[:] = np.frombuffer(raw, "<f8")
    else:
        raise ChunkError(f"{kind} is no kind of chunk")


def _decode_patched(data: bytes, out: FloatArray) -> None:
    count = data[1]
    payloads = np.frombuffer(data, "<u8", count, 2)
    start = 2 + 8 * count
    (size,) = struct.unpack_from("<H", data, start)
    start += 2
    raw = zstandard.ZstdDecompressor().decompress(
        data[start : start + size], max_output_size=_LONGEST
    )
    marks = np.frombuffer(raw, np.uint8)
    if len(marks) != len(out):
        raise ChunkError(f"a chunk holds other than {len(out)} values")
    is_number = marks == 0
    numbers = np.empty(int(is_number.sum()))
    if len(numbers):
        _decode(data[start + size :], numbers)
    bits = out.view(np.uint64)
    bits[is_number] = numbers.view(np.uint64)
    bits[~is_number] = payloads[marks[~is_number] - 1]
