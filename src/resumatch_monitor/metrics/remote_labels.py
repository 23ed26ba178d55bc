"""The labels of a series in the form in which senders write them, read quickly."""

from resumatch_monitor.metrics.label_limits import LabelLimits
from resumatch_monitor.metrics.labels import METRIC_NAME, Labels

_LABEL_TAG = _NAME_TAG = 0x0A
_VALUE_TAG = 0x12

Pairs = list[tuple[bytes, bytes]]


def read_plain_labels(key: bytes, limits: LabelLimits, texts: dict[bytes, str]) -> Labels | None:
    """Return the label set that `key` is, if nothing about it is unusual.

    Args:
        key: The bytes of a series' labels, one field after the other, and nothing else.
        limits: What is usual.
        texts: Names and values that were met before, so that series share them; gains more.

    Returns:
        The label set; None if the bytes have another form, or a label is empty, too long, not
        UTF-8 or not in its place, or there is no metric name.
    """
    raw = read_plain_pairs(key)
    if raw is None or len(raw) > limits.labels:
        return None
    pairs: list[tuple[str, str]] = []
    last, has_name = "", False
    try:
        for raw_name, raw_value in raw:
            name = texts.get(raw_name) or _learn(raw_name, limits.name_bytes, texts)
            value = texts.get(raw_value) or _learn(raw_value, limits.value_bytes, texts)
            if name <= last or not value or len(raw_name) > limits.name_bytes:
                return None
            has_name |= name == METRIC_NAME
            last = name
            pairs.append((name, value))
    except UnicodeDecodeError:
        return None
    return Labels.from_sorted(tuple(pairs)) if has_name else None


def _learn(raw: bytes, longest: int, texts: dict[bytes, str]) -> str:
    """Return a text, empty if it is too long."""
    if len(raw) > longest:
        return ""
    return texts.setdefault(raw, raw.decode())


def read_plain_pairs(key: bytes) -> Pairs | None:
    """Return the names and values in `key`, if it is labels alone in the usual form."""
    pairs: Pairs = []
    position, end = 0, len(key)
    try:
        while position < end:
            size, start = _read_size(key, position + 1)
            name_start = start + 2
            name_stop = name_start + key[start + 1]
            value_size, value_start = _read_size(key, name_stop + 1)
            stop = start + size
            if (
                key[position] != _LABEL_TAG
                or key[start] != _NAME_TAG
                or key[start + 1] > 0x7F
                or key[name_stop] != _VALUE_TAG
                or value_start + value_size != stop
            ):
                return None
            pairs.append((key[name_start:name_stop], key[value_start:stop]))
            position = stop
    except IndexError:
        return None
    return pairs if position == end else None


def find_labels_end(data: bytes, start: int, stop: int) -> int:
    """Return where the labels that `data[start:stop]` begins with end, as their lengths say."""
    position = start
    try:
        while position < stop and data[position] == _LABEL_TAG:
            size, position = _read_size(data, position + 1)
            position += size
    except IndexError:
        return stop
    return position


def _read_size(key: bytes, position: int) -> tuple[int, int]:
    """Return a length of one or two bytes, and where it ends; a longer one comes out wrong."""
    size = key[position]
    if size <= 0x7F:
        return size, position + 1
    return size + ((key[position + 1] - 1) << 7), position + 2
