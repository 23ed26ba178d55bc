"""Durations as Prometheus writes them: `90s`, `1h30m`, `7d`."""

import re
from datetime import timedelta

_UNIT_MILLISECONDS = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 7 * 86_400_000,
    "y": 365 * 86_400_000,
}
_PATTERN = re.compile(
    r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?"
)
_UNITS_IN_ORDER = ("y", "w", "d", "h", "m", "s", "ms")


def parse_duration(text: str) -> timedelta:
    """Parse `text` as Prometheus parses a duration.

    Raises:
        ValueError: If it is not one; the message shows what one looks like.
    """
    match = _PATTERN.fullmatch(text)
    if text == "0":
        return timedelta(0)
    if not text or match is None:
        raise ValueError(f"{text!r} is not a duration; write for example 30s, 5m, 1h30m or 7d")
    try:
        return timedelta(
            milliseconds=sum(
                int(amount) * _UNIT_MILLISECONDS[unit]
                for amount, unit in zip(match.groups(), _UNITS_IN_ORDER, strict=True)
                if amount
            )
        )
    except OverflowError:
        raise ValueError(f"{text!r} is longer than a duration can be") from None


def format_duration(duration: timedelta) -> str:
    """Render `duration` in the fewest units, e.g. `1h30m`; zero is `0s`."""
    rest = round(duration.total_seconds() * 1000)
    if rest == 0:
        return "0s"
    sign, rest = ("-", -rest) if rest < 0 else ("", rest)
    parts: list[str] = []
    for unit in ("d", "h", "m", "s", "ms"):
        amount, rest = divmod(rest, _UNIT_MILLISECONDS[unit])
        if amount:
            parts.append(f"{amount}{unit}")
    return sign + "".join(parts)
