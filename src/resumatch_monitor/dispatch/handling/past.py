"""What the past of an alert says about it: how long it lasts, how soon people come, what it was."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any

from resumatch_monitor.dispatch.handling.handled import PastOccurrence
from resumatch_monitor.dispatch.handling.handling import Outcome


@dataclass(frozen=True, slots=True)
class Figures:
    """An alert's past in numbers, over the occurrences that are looked at.

    Attributes:
        acknowledged: How many somebody acknowledged.
        mtta_seconds: The mean time from the start to the first acknowledgement.
        mttr_seconds: The mean time from the start to the end, of those that have ended.
        noise_ratio: The part of noise in what was judged; None as long as nothing was.
    """

    occurrences: int
    acknowledged: int
    mtta_seconds: float | None
    median_tta_seconds: float | None
    mttr_seconds: float | None
    median_ttr_seconds: float | None
    real: int
    noise: int
    unjudged: int
    noise_ratio: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the figures by name."""
        return asdict(self)


def figure_out(past: Sequence[PastOccurrence]) -> Figures:
    """Return the figures of `past`; an event has no duration."""
    waits = _known(each.acknowledged_after_seconds for each in past)
    durations = _known(each.duration_seconds for each in past if not each.is_event)
    outcomes = [each.handling.outcome for each in past if each.handling is not None]
    real, noise = outcomes.count(Outcome.REAL), outcomes.count(Outcome.NOISE)
    return Figures(
        occurrences=len(past),
        acknowledged=len(waits),
        mtta_seconds=fmean(waits) if waits else None,
        median_tta_seconds=median(waits) if waits else None,
        mttr_seconds=fmean(durations) if durations else None,
        median_ttr_seconds=median(durations) if durations else None,
        real=real,
        noise=noise,
        unjudged=len(past) - real - noise,
        noise_ratio=noise / (real + noise) if real + noise else None,
    )


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
