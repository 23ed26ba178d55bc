"""A chart made of characters."""

import itertools
import math
from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"
_GAP = " "
_FEWEST = 2


def render_sparkline(values: Sequence[float], *, width: int = 24) -> str:
    """Render at most `width` bars, the largest of the values behind each; a blank is a gap.

    Empty if there are fewer than two, which say nothing.

    Args:
        values: In order; what is not finite is a gap.
        width: How many bars.
    """
    known_at = [index for index, value in enumerate(values) if math.isfinite(value)]
    if len(known_at) < _FEWEST:
        return ""
    values = values[known_at[0] : known_at[-1] + 1]
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
