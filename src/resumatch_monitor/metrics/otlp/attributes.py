"""Attributes of OTLP as labels."""

import base64
import math
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from resumatch_monitor.metrics.label_limits import LabelLimits
from resumatch_monitor.metrics.otlp.names import name_label
from resumatch_monitor.metrics.remote_series import LabelsError

_LARGEST_PLAIN = 1e21
_DEEPEST = 16
_LONGEST_NAME_SHOWN = 100

Attributes = Mapping[str, str]


def read_attributes(attributes: Iterable[KeyValue]) -> dict[str, str]:
    """Return attributes as texts, by their own names; of one given twice the last counts."""
    return {each.key: render_value(each.value) for each in attributes}


def to_labels(attributes: Attributes, limits: LabelLimits) -> dict[str, str]:
    """Return attributes as labels; the values of those whose labels are the same are joined by `;`.

    Raises:
        LabelsError: If there are more or longer ones than `limits` allow.
    """
    labels: dict[str, str] = {}
    for attribute in sorted(attributes):
        name, value = name_label(attribute), attributes[attribute]
        if not name:
            continue
        labels[name] = f"{labels[name]};{value}" if name in labels else value
    if len(labels) > limits.labels:
        raise LabelsError(f"a point has more than {limits.labels} attributes")
    for name, value in labels.items():
        check_length(name, value, limits)
    return labels


def check_length(name: str, value: str, limits: LabelLimits) -> None:
    """Check a label.

    Raises:
        LabelsError: If its name or its value is longer than `limits` allow.
    """
    if len(name) > limits.name_bytes:
        raise LabelsError(f"a label's name is longer than {limits.name_bytes} bytes")
    # A text has at most four bytes a character.
    if 4 * len(value) > limits.value_bytes < len(value.encode()):
        raise LabelsError(
            f"the value of label {name[:_LONGEST_NAME_SHOWN]} is longer than"
            f" {limits.value_bytes} bytes"
        )


def render_value(value: AnyValue) -> str:
    """Return a value as Prometheus writes it into a label."""
    plain = _to_plain(value, 0)
    if isinstance(plain, str):
        return plain
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, float):
        return _render_float(plain)
    if isinstance(plain, int):
        return str(plain)
    return "" if plain is None else orjson.dumps(plain, option=orjson.OPT_SORT_KEYS).decode()


def _to_plain(value: AnyValue, depth: int) -> Any:
    if depth > _DEEPEST:
        return None
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "int_value":
            return value.int_value
        case "double_value":
            return value.double_value
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case "array_value":
            return [_to_plain(each, depth + 1) for each in value.array_value.values]
        case "kvlist_value":
            return {
                each.key: _to_plain(each.value, depth + 1) for each in value.kvlist_value.values
            }
        case _:
            return None


def _render_float(number: float) -> str:
    if math.isfinite(number) and number.is_integer() and abs(number) < _LARGEST_PLAIN:
        return str(int(number))
    return repr(number)
