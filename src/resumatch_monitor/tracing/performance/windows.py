"""Which stretch of time, in which steps, answers a question."""

from datetime import timedelta

from resumatch_monitor.tracing.performance.store import COARSE_SECONDS, Window


def choose_window(
    from_ms: int,
    to_ms: int,
    *,
    now_ms: int,
    fine_seconds: int,
    fine_retention: timedelta,
    longest_fine: timedelta,
    with_before: bool = False,
) -> Window:
    """Return the window that covers a stretch, fine where that is kept and not too much.

    Args:
        from_ms: The start, milliseconds since the epoch.
        to_ms: The end.
        now_ms: The present.
        fine_seconds: How wide a fine step is.
        fine_retention: How long fine steps are kept.
        longest_fine: How long a window of fine steps may be.
        with_before: Whether the stretch before it is asked for too.
    """
    length_ms = max(1, to_ms - from_ms)
    oldest_ms = from_ms - length_ms if with_before else from_ms
    is_kept = oldest_ms >= now_ms - fine_retention // timedelta(milliseconds=1)
    is_fine = is_kept and length_ms <= longest_fine // timedelta(milliseconds=1)
    step_seconds = fine_seconds if is_fine else COARSE_SECONDS
    step_ms = step_seconds * 1_000
    start_ms = from_ms // step_ms * step_ms
    end_ms = -(-to_ms // step_ms) * step_ms
    return Window(start_ms, max(end_ms, start_ms + step_ms), step_seconds)
