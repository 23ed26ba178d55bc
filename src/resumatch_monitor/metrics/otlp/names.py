"""How Prometheus names what OpenTelemetry measures.

https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/ and the strategy
`UnderscoreEscapingWithSuffixes` of Prometheus' own OTLP receiver.
"""

import re

_NOT_IN_TOKEN = re.compile(r"[^a-zA-Z0-9:]+")
_NOT_IN_LABEL = re.compile(r"[^a-zA-Z0-9_]")
_UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "1": "",
    "%": "percent",
}
_PER_UNITS = {
    "s": "second",
    "m": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
}


def name_metric(name: str, unit: str, *, is_counter: bool, is_gauge: bool) -> str:
    """Return a metric's name: `http.server.duration` in `s` is `http_server_duration_seconds`.

    Args:
        name: The instrument's name.
        unit: Its unit in UCUM; one in braces says nothing.
        is_counter: Whether it is a monotonic sum, which ends in `_total`.
        is_gauge: Whether it is a gauge; without a dimension (`1`) it ends in `_ratio`.

    Returns:
        The name; empty if nothing of it is left.
    """
    tokens = [token for token in _NOT_IN_TOKEN.split(name) if token]
    tokens += [token for token in _find_unit_tokens(unit) if token not in tokens]
    if is_counter:
        tokens = [*(token for token in tokens if token != "total"), "total"]  # noqa: S105
    if is_gauge and unit == "1":
        tokens = [*(token for token in tokens if token != "ratio"), "ratio"]  # noqa: S105
    joined = "_".join(tokens)
    return f"_{joined}" if joined[:1].isdigit() else joined


def name_label(attribute: str) -> str:
    """Return the label of an attribute: `http.route` is `http_route`; empty if there is none."""
    label = _NOT_IN_LABEL.sub("_", attribute)
    if label[:1].isdigit():
        return f"key_{label}"
    if label.startswith("_") and not label.startswith("__"):
        label = f"key{label}"
    return label if label.strip("_") else ""


def _find_unit_tokens(unit: str) -> list[str]:
    main, _, per = (part.strip() for part in unit.partition("/"))
    tokens: list[str] = []
    if main and not _is_annotation(main):
        tokens.append(_clean(_UNITS.get(main, main)))
    if per and not _is_annotation(per):
        cleaned = _clean(_PER_UNITS.get(per, per)).rstrip("_")
        tokens.append(f"per_{cleaned}" if cleaned else "")
    return [token for token in tokens if token]


def _is_annotation(unit: str) -> bool:
    return "{" in unit or "}" in unit


def _clean(unit: str) -> str:
    return _NOT_IN_TOKEN.sub("_", unit).removeprefix("_")
