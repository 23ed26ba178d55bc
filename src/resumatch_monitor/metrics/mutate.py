"""What a scraped series becomes: its target's labels, `metric_relabel_configs`, limits."""

import re
from collections.abc import Mapping

from resumatch_monitor.metrics.labels import METRIC_NAME, Labels
from resumatch_monitor.metrics.pool import SampleLimits
from resumatch_monitor.metrics.relabel import Relabeller, is_legacy_name

_EXPORTED = "exported_"
_LONGEST_SHOWN = 60
_LEGACY_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_SCHEME = "metric_name_validation_scheme is legacy"


class LimitExceededError(Exception):
    """A scrape is over a limit and so fails as a whole.

    Attributes:
        limit: The configuration's key of it.
    """

    def __init__(self, limit: str, message: str) -> None:
        super().__init__(message)
        self.limit = limit


class SampleMutator:
    """Makes of a series that a target exposes the one that is stored."""

    def __init__(
        self,
        target_labels: Mapping[str, str],
        *,
        honor_labels: bool = False,
        relabel: Relabeller | None = None,
        limits: SampleLimits | None = None,
        legacy_names: bool = False,
    ) -> None:
        self._target_labels = dict(target_labels)
        self._honor_labels = honor_labels
        self._relabel = relabel or None
        self._limits = limits
        self._legacy_names = legacy_names

    def mutate(self, labels: Labels) -> Labels | None:
        """Return the series to store; None if relabelling drops it.

        Raises:
            LimitExceededError: If its labels are too many or too long.
            ValueError: If relabelling leaves no name, or a name may not be.
        """
        if self._relabel is None:
            merged = merge_target_labels(
                labels, self._target_labels, honor_labels=self._honor_labels
            )
        else:
            pairs = self._relabel.apply(
                _merge(labels, self._target_labels, honor_labels=self._honor_labels)
            )
            if not pairs:
                return None
            if METRIC_NAME not in pairs:
                raise ValueError(
                    f"metric_relabel_configs leave {_shorten(labels.metric_name)} without a name"
                )
            merged = Labels(pairs.items())
        if self._limits is not None:
            _check(merged, self._limits)
        if self._legacy_names:
            _check_names(merged)
        return merged


def merge_target_labels(
    labels: Labels, target_labels: Mapping[str, str], *, honor_labels: bool = False
) -> Labels:
    """Join a series' own labels with its target's, as Prometheus' `honor_labels` says.

    Where both have a label, the series' own wins if `honor_labels`, and otherwise it is kept
    under the prefix `exported_`, repeated until the name is free. A label that the series has
    with an empty value counts as its own: with `honor_labels` the series then has none.
    """
    return Labels(_merge(labels, target_labels, honor_labels=honor_labels).items())


def _merge(
    labels: Labels, target_labels: Mapping[str, str], *, honor_labels: bool
) -> dict[str, str]:
    # Not by the label set's own dictionary, which would then stay with it.
    own = dict(labels.pairs)
    if honor_labels:
        return {**target_labels, **own}
    merged = {**own, **target_labels}
    conflicts = [name for name in target_labels if own.get(name)]
    # As in Prometheus the shortest name is moved first.
    for name in sorted(conflicts, key=len):
        free = _EXPORTED + name
        while merged.get(free):
            free = _EXPORTED + free
        merged[free] = own[name]
    return merged


def _check(labels: Labels, limits: SampleLimits) -> None:
    if len(labels) > limits.labels:
        raise LimitExceededError(
            "label_limit",
            f"{_shorten(labels.metric_name)} has {len(labels)} labels, more than the"
            f" {limits.labels} that it may",
        )
    for name, value in labels.pairs:
        # Most are short, and a character takes four bytes at most.
        if 4 * len(name) > limits.name_bytes and len(name.encode()) > limits.name_bytes:
            raise LimitExceededError(
                "label_name_length_limit",
                f"{_shorten(labels.metric_name)} has the label {_shorten(name)}, whose name is"
                f" longer than the {limits.name_bytes} bytes that it may have",
            )
        if 4 * len(value) > limits.value_bytes and len(value.encode()) > limits.value_bytes:
            raise LimitExceededError(
                "label_value_length_limit",
                f"{_shorten(labels.metric_name)} has the label {_shorten(name)} with a value"
                f" longer than the {limits.value_bytes} bytes that it may have",
            )


def _check_names(labels: Labels) -> None:
    if _LEGACY_METRIC_NAME.fullmatch(labels.metric_name) is None:
        raise ValueError(f"{_shorten(labels.metric_name)!r} is no name of a metric; {_SCHEME}")
    for name in labels:
        if not is_legacy_name(name):
            raise ValueError(f"{_shorten(name)!r} is no name of a label; {_SCHEME}")


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"
