"""Ids of traces and spans, as the W3C's trace context has them."""

_TRACE_ID_LENGTH = 32
_SPAN_ID_LENGTH = 16


def read_trace_id(value: object) -> str:
    """Return a trace id as 32 lower-case hexadecimal digits; empty if it is none."""
    return _read_id(value, _TRACE_ID_LENGTH)


def read_span_id(value: object) -> str:
    """Return a span id as 16 lower-case hexadecimal digits; empty if it is none."""
    return _read_id(value, _SPAN_ID_LENGTH)


def _read_id(value: object, length: int) -> str:
    if not isinstance(value, str) or len(value) > 2 * length:
        return ""
    text = value if len(value) == length else value.replace("-", "")
    try:
        digits = bytes.fromhex(text)
    except ValueError:
        return ""
    # White space was skipped, and an id of nothing but zeros is none.
    return digits.hex() if 2 * len(digits) == length == len(text) and any(digits) else ""
