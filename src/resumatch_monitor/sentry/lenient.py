"""JSON as clients really send it."""

import math
import re
from typing import Any

import orjson

_ESCAPES = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
_HALF_LENGTH = len(rb"\uD800")
# A text counts as one also where it does not end, or each quote in it would be tried as another's
# beginning.
_TEXTS_AND_NUMBERS = re.compile(
    rb'"(?:[^"\\]|\\.)*+"?|-?\d++(?:\.\d++)?(?:[eE][+-]?\d++)?', re.DOTALL
)
_TOO_LARGE = "infinity"


def parse_json(data: bytes) -> tuple[Any, bytes]:
    """Parse `data`; return the value and the text that stands for it.

    Browsers cut texts in the middle of a character, and its half is no Unicode; others send bytes
    that are no UTF-8. Neither is a reason to lose an error: what cannot be read becomes U+FFFD, and
    a number that is larger than any becomes null.

    Raises:
        orjson.JSONDecodeError: If it is not JSON for another reason.
    """
    try:
        return orjson.loads(data), data
    except orjson.JSONDecodeError as error:
        mended = _ESCAPES.sub(_mend, data.decode(errors="replace").encode())
        if mended == data and _TOO_LARGE not in error.msg:
            raise
        return _parse_mended(mended)


def _parse_mended(data: bytes) -> tuple[Any, bytes]:
    try:
        return orjson.loads(data), data
    except orjson.JSONDecodeError as error:
        # What was mended first stood before it.
        if _TOO_LARGE not in error.msg:
            raise
    mended = _TEXTS_AND_NUMBERS.sub(_mend_number, data)
    return orjson.loads(mended), mended


def _mend(match: re.Match[bytes]) -> bytes:
    is_half = len(match[0]) == _HALF_LENGTH
    return rb"\ufffd" if is_half else match[0]


def _mend_number(match: re.Match[bytes]) -> bytes:
    token = match[0]
    is_too_large = token[:1] != b'"' and math.isinf(float(token))
    return b"null" if is_too_large else token
