"""What is remarked on metrics whose type does not fit a function, in Prometheus' words."""

from resumatch_monitor.metrics.labels import Labels

TYPE_AND_UNIT_LABELS = "type-and-unit-labels"
"""Prometheus' name for the feature by which `__type__` says what a metric is."""

_COUNTER_SUFFIXES = ("_total", "_sum", "_count", "_bucket")
_COUNTER_TYPES = frozenset({"counter", "histogram"})


def remark_on_counter(labels: Labels, *, by_type: bool) -> str:
    """Return why a series may be no counter, empty if it seems to be one or has no name.

    Args:
        labels: Of the series.
        by_type: Whether its label `__type__` decides, and not its name.
    """
    name = labels.metric_name
    if not name:
        return ""
    if by_type:
        type_ = labels.value("__type__")
        if type_ in _COUNTER_TYPES:
            return ""
        return (
            'metric might not be a counter, __type__ label is not set to "counter" or "histogram",'
            f' got "{type_}": "{name}"'
        )
    if name.endswith(_COUNTER_SUFFIXES):
        return ""
    return (
        f'metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "{name}"'
    )
