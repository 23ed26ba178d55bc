"""Numbers and times as Prometheus writes them."""

import math

_SMALLEST_EXPONENT, _EXPONENT_FROM = -4, 6


def format_float(value: float) -> str:
    """Render with the fewest digits that read back the same, never in exponent notation."""
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    if "e" in text:
        return _without_exponent(text)
    return text[:-2] if text.endswith(".0") else text


def format_g(value: float) -> str:
    """Render as `%g` of Go does: the shortest digits; an exponent below 1e-4 and from 1e6 on."""
    if value != value or math.isinf(value):
        return format_float(value)
    exponent = f"{value:.17e}".partition("e")[2]
    if _SMALLEST_EXPONENT <= int(exponent) < _EXPONENT_FROM:
        return format_float(value)
    mantissa, _, _ = repr(value).partition("e")
    if "e" not in repr(value):
        digits = format_float(abs(value)).replace(".", "").strip("0")
        sign = "-" if value < 0 else ""
        mantissa = f"{sign}{digits[0]}.{digits[1:]}".rstrip(".")
    return f"{mantissa}e{int(exponent):+03d}"


def format_json_float(value: float) -> str:
    """Render as the HTTP API does: exponent notation below 1e-6 and from 1e21 on."""
    text = repr(value)
    if text.endswith(".0"):
        return text[:-2]
    if "e" not in text and "n" not in text:
        return text
    magnitude = abs(value)
    if 1e-6 <= magnitude < 1e21 or magnitude == 0 or not math.isfinite(value):
        return format_float(value)
    return text


def _without_exponent(text: str) -> str:
    mantissa, _, exponent = text.partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    shift = int(exponent)
    if shift < 0:
        return f"{sign}0.{'0' * (-shift - 1)}{whole}{fraction}"
    digits = whole + fraction
    return sign + digits + "0" * (shift - len(fraction))


def format_seconds(milliseconds: int) -> str:
    """Render a time as seconds with up to three decimals."""
    seconds, rest = divmod(abs(milliseconds), 1000)
    sign = "-" if milliseconds < 0 else ""
    return f"{sign}{seconds}.{rest:03d}".rstrip("0") if rest else f"{sign}{seconds}"


def format_open_metrics(value: float) -> str:
    """Render as OpenMetrics wants the values of `le` and `quantile`: `1.0`, `0.99`, `+Inf`."""
    text = format_float(value)
    return f"{text}.0" if text.lstrip("-").isdigit() else text
