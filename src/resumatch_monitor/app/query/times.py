"""When a query is asked for: `now`, `now-1h`, RFC 3339 or seconds since the epoch."""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.kit.durations import parse_duration

_NOW = re.compile(r"now(?:\s*([+-])\s*(\w+))?")
_SECONDS = re.compile(r"-?\d{1,12}(?:\.\d+)?")
_USUAL_POINTS = 60
_NICE_STEPS_SECONDS = (1, 5, 10, 15, 30, 60, 300, 600, 900, 1800, 3600, 3 * 3600, 6 * 3600, 86_400)


@dataclass(frozen=True, slots=True)
class Question:
    """An expression and the moment, or the moments, at which it is evaluated.

    Attributes:
        start_ms: The first moment, or the only one.
        end_ms: Not before it.
        step_ms: From one moment to the next; None for a single one.
    """

    expr: str
    start_ms: int
    end_ms: int
    step_ms: int | None


def parse_question(
    expr: str,
    *,
    time: str | None,
    from_: str | None,
    to: str | None,
    step: str | None,
    now: datetime,
) -> Question:
    """Put together what the flags say: either `time`, or a range by `from_`, `to` and `step`.

    Raises:
        ValueError: If they do not fit together or cannot be read; the message names the flag.
    """
    if from_ is None:
        if to is not None or step is not None:
            raise ValueError("--to and --step make a range: it needs --from as well")
        at_ms = _parse_time(time or "now", "--time", now)
        return Question(expr, at_ms, at_ms, None)
    if time is not None:
        raise ValueError("--time asks for one moment and --from for a range: choose one of them")
    start_ms = _parse_time(from_, "--from", now)
    end_ms = _parse_time(to or "now", "--to", now)
    if start_ms > end_ms:
        raise ValueError("--from is after --to")
    return Question(expr, start_ms, end_ms, _parse_step(step, end_ms - start_ms))


def _parse_time(text: str, flag: str, now: datetime) -> int:
    try:
        if match := _NOW.fullmatch(text.strip()):
            shift = parse_duration(match[2]) if match[2] else timedelta(0)
            return to_milliseconds(now - shift if match[1] == "-" else now + shift)
        if _SECONDS.fullmatch(text.strip()):
            return round(float(text) * 1000)
        moment = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise ValueError(
            f"{flag} {text!r} cannot be read: write now, now-1h, 2026-01-31T12:00:00Z or seconds"
            " since the epoch"
        ) from None
    return to_milliseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _parse_step(text: str | None, span_ms: int) -> int:
    if text is None:
        finest = span_ms / 1000 / _USUAL_POINTS
        seconds = next((each for each in _NICE_STEPS_SECONDS if each >= finest), None)
        days = math.ceil(finest / 86_400)
        return 1000 * (seconds if seconds is not None else days * 86_400)
    try:
        step = timedelta(seconds=float(text)) if _SECONDS.fullmatch(text) else parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"--step: {error}") from None
    step_ms = step // timedelta(milliseconds=1)
    if step_ms <= 0:
        raise ValueError("--step must be longer than nothing")
    return step_ms
