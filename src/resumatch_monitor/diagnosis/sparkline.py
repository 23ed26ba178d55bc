"""A chart made of characters."""

import itertools
import math
from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"
_GAP = " "


def render_sparkline(values: Sequence[float], *, width: int = 24) -> str:
    """Render at most `width` bars, the largest of the values behind each; a blank is a gap.

    Args:
        values: In order; what is not finite is a gap.
        width: How many bars.
    """
    if not values or not any(map(math.isfinite, values)):
        return ""
    count = min(width, len(values))
    edges = [round(position * len(values) / count) for position in range(count + 1)]
    buckets = [values[begin:end] for begin, end in itertools.pairwise(edges)]
    peaks = [max(filter(math.isfinite, bucket), default=math.nan) for bucket in buckets]
    known = [peak for peak in peaks if math.isfinite(peak)]
    low, high = min(known), max(known)
    return "".join(_choose_bar(peak, low, high) for peak in peaks)


def _choose_bar(peak: float, low: float, high: float) -> str:
    if not math.isfinite(peak):
        return _GAP
    if high == low:
        return _BARS[0]
    share = (peak - low) / (high - low) if math.isfinite(high - low) else 0.5
    return _BARS[min(int(share * len(_BARS)), len(_BARS) - 1)]
