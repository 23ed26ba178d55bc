"""JSON as clients really send it."""

import re
from typing import Any

import orjson

_ESCAPES = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
_HALF_LENGTH = len(rb"\uD800")


def parse_json(data: bytes) -> tuple[Any, bytes]:
    """Parse `data`; return the value and the text that stands for it.

    Browsers cut texts in the middle of a character, and its half is no Unicode; others send bytes
    that are no UTF-8. Neither is a reason to lose an error: what cannot be read becomes U+FFFD.

    Raises:
        orjson.JSONDecodeError: If it is not JSON for another reason.
    """
    try:
        return orjson.loads(data), data
    except orjson.JSONDecodeError:
        mended = _ESCAPES.sub(_mend, data.decode(errors="replace").encode())
        if mended == data:
            raise
        return orjson.loads(mended), mended


def _mend(match: re.Match[bytes]) -> bytes:
    is_half = len(match[0]) == _HALF_LENGTH
    return rb"\ufffd" if is_half else match[0]
