"""Sizes as Prometheus writes them: `512B`, `10MB`, `1GiB`."""

import re

_PATTERN = re.compile(r"(\d+)(B|[KMGTPE]i?B)")
_POWERS = "KMGTPE"


def parse_size(text: str) -> int:
    """Return the bytes that `text` says; a KB is 1,024 of them, as in Prometheus.

    Raises:
        ValueError: If it is not a size; the message shows what one looks like.
    """
    if text.strip() == "0":
        return 0
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size; write for example 512KB, 10MB or 1GB")
    power = _POWERS.find(match[2][0]) + 1 if match[2] != "B" else 0
    return int(match[1]) * 1024**power
