"""Request bodies of unknown clients: bounded in size, in time and in memory together.

Neither `Content-Length` nor `Content-Type` is believed, and what is compressed may not grow
beyond the same bound.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Literal, Protocol, cast

import brotli
import cramjam
import zstandard
from fastapi import Request

from resumatch_monitor.api.errors import ApiError

_INLINE_MAX_BYTES = 1024 * 1024
_INLINE_MAX_WIRE_BYTES = 64 * 1024
_CODINGS_MAX = 2
_GZIP_WINDOW = 31
_ZLIB_WINDOW = 15
_RAW_WINDOW = -15
_SNAPPY = "snappy"
_SNAPPY_HEADER_MAX_BYTES = 5
_ZSTD_STEP_BYTES = 128
_ZSTD_WINDOW_MAX_BYTES = 8 * 1024 * 1024


class _Brotli(Protocol):
    """The part of `brotli.Decompressor` that is used; the package has no types."""

    def process(self, data: bytes, /, *, output_buffer_limit: int) -> bytes: ...

    def is_finished(self) -> bool: ...


_BrotliDecoder = cast("Callable[[], _Brotli]", brotli.Decompressor)  # pyright: ignore[reportUnknownMemberType]
_BrotliError = cast("type[Exception]", brotli.error)  # pyright: ignore[reportUnknownMemberType]


class BodyTooLargeError(ApiError):
    """The body is, or unpacks to, more than is accepted."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "too_large",
            f"The body is larger than the {limit} bytes that are accepted.",
        )


class BodyBudgetError(ApiError):
    """The bodies that are being read at this moment leave no room for another."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "overload",
            "Too much is being received at this moment; try again in a while.",
            headers={"Retry-After": "10"},
        )


class BodyReader:
    """Reads and unpacks bodies; `max_bytes` holds for the wire and for what comes out of it.

    With `max_wire_bytes` that holds for the wire instead. With `only_coding` that one is the only
    coding, and also meant where none is named.
    """

    def __init__(
        self,
        *,
        max_bytes: int,
        max_wire_bytes: int | None = None,
        only_coding: Literal["snappy"] | None = None,
        inflight_max_bytes: int = 96 * 1024 * 1024,
        idle_timeout_seconds: float = 15.0,
        total_timeout_seconds: float = 60.0,
    ) -> None:
        self._max_bytes = max_bytes
        self._max_wire_bytes = max_wire_bytes or max_bytes
        self._only_coding = only_coding
        self._inflight_max_bytes = inflight_max_bytes
        self._idle_timeout_seconds = idle_timeout_seconds
        self._total_timeout_seconds = total_timeout_seconds
        self._inflight_bytes = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncGenerator[bytes]:
        """Yield the unpacked body; its memory counts as in use until the block ends.

        Raises:
            ApiError: 400 (cut off, not what its coding says), 408 (too slow), 413 (too large),
                415 (unknown coding), 503 (`BodyBudgetError`).
        """
        # Held by one request: a bomb of any coding can make no more of it than the bound twice.
        charge = _Charge(self)
        try:
            wire = await self._receive(request, charge)
            codings = _parse_codings(request.headers.get("content-encoding", ""), self._only_coding)
            body = wire
            for coding in reversed(codings):
                body = await self._unpack(body, coding)
                charge.add(len(body))
            yield body
        finally:
            charge.release()

    async def _receive(self, request: Request, charge: "_Charge") -> bytes:
        chunks: list[bytes] = []
        size = 0
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._total_timeout_seconds
        idle_until = loop.time() + self._idle_timeout_seconds
        try:
            async with asyncio.timeout_at(min(idle_until, deadline)) as patience:
                while True:
                    message = await request.receive()
                    if message["type"] == "http.disconnect":
                        raise _malformed("The connection ended before the body did.")
                    chunk: bytes = message.get("body", b"")
                    size += len(chunk)
                    if size > self._max_wire_bytes:
                        raise BodyTooLargeError(self._max_wire_bytes)
                    charge.add(len(chunk))
                    chunks.append(chunk)
                    if not message.get("more_body", False):
                        return b"".join(chunks)
                    if chunk:
                        idle_until = loop.time() + self._idle_timeout_seconds
                        patience.reschedule(min(idle_until, deadline))
        except TimeoutError as error:
            raise ApiError(
                HTTPStatus.REQUEST_TIMEOUT,
                "too_slow",
                "The body took too long to arrive.",
                headers={"Connection": "close"},
            ) from error

    async def _unpack(self, data: bytes, coding: str) -> bytes:
        decode = _DECODERS[coding]
        if len(data) <= _INLINE_MAX_WIRE_BYTES:
            try:
                return decode(data, min(_INLINE_MAX_BYTES, self._max_bytes))
            except BodyTooLargeError:
                if self._max_bytes <= _INLINE_MAX_BYTES:
                    raise
        return await asyncio.to_thread(decode, data, self._max_bytes)

    def take(self, size: int) -> None:
        """Count `size` bytes as in use.

        Raises:
            BodyBudgetError: If that is more than all bodies together may use.
        """
        if self._inflight_bytes + size > self._inflight_max_bytes:
            raise BodyBudgetError
        self._inflight_bytes += size

    def give_back(self, size: int) -> None:
        """Count `size` bytes as free."""
        self._inflight_bytes -= size


class _Charge:
    """What one request uses of the reader's budget."""

    __slots__ = ("_reader", "_size")

    def __init__(self, reader: BodyReader) -> None:
        self._reader = reader
        self._size = 0

    def add(self, size: int) -> None:
        self._reader.take(size)
        self._size += size

    def release(self) -> None:
        self._reader.give_back(self._size)
        self._size = 0


def _parse_codings(header: str, only_coding: str | None) -> list[str]:
    codings = [part.strip().lower() for part in header.split(",")]
    codings = [coding for coding in codings if coding not in ("", "identity")]
    if only_coding is not None:
        if codings not in ([], [only_coding]):
            raise ApiError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "unsupported_encoding",
                f"Content-Encoding {header[:60]!r} is not supported; use {only_coding}.",
            )
        return [only_coding]
    unknown = [coding for coding in codings if coding not in _DECODERS or coding == _SNAPPY]
    if unknown or len(codings) > _CODINGS_MAX:
        raise ApiError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported_encoding",
            f"Content-Encoding {header[:60]!r} is not supported; use gzip, br, deflate or zstd.",
        )
    return codings


def _malformed(message: str) -> ApiError:
    return ApiError(HTTPStatus.BAD_REQUEST, "malformed_body", message)


def _decode_gzip(data: bytes, limit: int) -> bytes:
    parts: list[bytes] = []
    room = limit
    while data:
        part, data = _inflate(data, room, limit, _GZIP_WINDOW)
        parts.append(part)
        room -= len(part)
    return b"".join(parts)


def _decode_deflate(data: bytes, limit: int) -> bytes:
    try:
        return _inflate(data, limit, limit, _ZLIB_WINDOW)[0]
    except ApiError as error:
        if isinstance(error, BodyTooLargeError):
            raise
        # Some clients mean bare deflate where the standard means zlib.
        return _inflate(data, limit, limit, _RAW_WINDOW)[0]


def _inflate(data: bytes, room: int, limit: int, window: int) -> tuple[bytes, bytes]:
    decoder = zlib.decompressobj(window)
    try:
        # One byte more than allowed; a maximum of 0 would mean no maximum.
        part = decoder.decompress(data, room + 1)
    except zlib.error as error:
        raise _malformed(f"The body cannot be unpacked: {error}.") from error
    if len(part) > room:
        raise BodyTooLargeError(limit)
    if not decoder.eof:
        raise _malformed("The compressed body is cut off.")
    return part, decoder.unused_data


def _decode_brotli(data: bytes, limit: int) -> bytes:
    decoder = _BrotliDecoder()
    parts: list[bytes] = []
    size = 0
    try:
        chunk = decoder.process(data, output_buffer_limit=limit + 1)
        while chunk:
            parts.append(chunk)
            size += len(chunk)
            if size > limit:
                raise BodyTooLargeError(limit)
            chunk = (
                b""
                if decoder.is_finished()
                else decoder.process(b"", output_buffer_limit=limit + 1)
            )
    except _BrotliError as error:
        raise _malformed("The body is not brotli.") from error
    if not decoder.is_finished():
        raise _malformed("The compressed body is cut off.")
    return b"".join(parts)


def _decode_zstd(data: bytes, limit: int) -> bytes:
    # In small steps, counting: `decompress(max_output_size=…)` believes the size that a frame
    # claims, and a stream reader takes a frame that is cut off for one that has ended.
    parts: list[bytes] = []
    size = 0
    decoder = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_MAX_BYTES).decompressobj()
    view = memoryview(data)
    try:
        for start in range(0, len(data), _ZSTD_STEP_BYTES):
            step = bytes(view[start : start + _ZSTD_STEP_BYTES])
            while step:
                if decoder.eof:
                    decoder = zstandard.ZstdDecompressor(
                        max_window_size=_ZSTD_WINDOW_MAX_BYTES
                    ).decompressobj()
                part = decoder.decompress(step)
                parts.append(part)
                size += len(part)
                if size > limit:
                    raise BodyTooLargeError(limit)
                step = decoder.unused_data if decoder.eof else b""
    except zstandard.ZstdError as error:
        raise _malformed("The body is not zstd.") from error
    if not decoder.eof:
        raise _malformed("The compressed body is cut off.")
    return b"".join(parts)


def _decode_snappy(data: bytes, limit: int) -> bytes:
    """Unpack the block format, which says first how long its content is."""
    size = shift = 0
    for byte in data[:_SNAPPY_HEADER_MAX_BYTES]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    else:
        raise _malformed("The body is not snappy (block format).")
    if size > limit:
        raise BodyTooLargeError(limit)
    try:
        return bytes(cramjam.snappy.decompress_raw(data))
    except cramjam.DecompressionError as error:
        raise _malformed("The body is not snappy (block format).") from error


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _decode_gzip,
    "x-gzip": _decode_gzip,
    "deflate": _decode_deflate,
    "br": _decode_brotli,
    "zstd": _decode_zstd,
    _SNAPPY: _decode_snappy,
}
