"""Numbers and values as Go prints them."""

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import cast

_VERB = re.compile(r"%([-+# 0]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])")


def format_float(value: float) -> str:
    """Render as Go's `%v`: the fewest digits, an exponent from 1e+06 on."""
    if not math.isfinite(value):
        return format_special(value)
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    number = Decimal(repr(value)).normalize()
    exponent = number.adjusted()
    if -4 <= exponent < 6:
        return f"{number:f}"
    sign, digits, _ = number.as_tuple()
    mantissa = str(digits[0]) + ("." + "".join(map(str, digits[1:])) if len(digits) > 1 else "")
    return f"{'-' if sign else ''}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def format_special(value: float) -> str:
    """Render NaN and the infinities."""
    if math.isnan(value):
        return "NaN"
    return "+Inf" if value > 0 else "-Inf"


def format_significant(value: float) -> str:
    """Render as Go's `%.4g`."""
    return f"{value:.4g}" if math.isfinite(value) else format_special(value)


def format_value(value: object) -> str:
    """Render any value as Go's templates print it."""
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return format_float(value)
    if isinstance(value, list):
        return "[" + " ".join(map(format_value, cast("list[object]", value))) + "]"
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return "map[" + " ".join(sorted(f"{key}:{format_value(item)}" for key, item in pairs)) + "]"
    return str(value)


def format_printf(template: str, arguments: Sequence[object]) -> str:
    """Render as Go's `printf`; a mistake shows in the text, as it does there."""
    rest = list(arguments)

    def replace(match: re.Match[str]) -> str:
        flags, width, precision, verb = match.groups()
        if verb == "%":
            return "%"
        if not rest:
            return f"%!{verb}(MISSING)"
        text = _format_verb(verb, flags, precision, rest.pop(0))
        return _pad(text, flags, min(int(width or 0), 200))

    rendered = _VERB.sub(replace, template)
    if rest:
        extra = ", ".join(f"{_type_name(item)}={format_value(item)}" for item in rest)
        rendered += f"%!(EXTRA {extra})"
    return rendered


def _format_verb(verb: str, flags: str, precision: str | None, value: object) -> str:
    plus = "+" if "+" in flags else ""
    digits = min(int(precision), 100) if precision is not None else None
    match verb, value:
        case "v", _:
            return format_value(value)
        case "s", str():
            return value if digits is None else value[:digits]
        case "q", str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
        case "t", bool():
            return format_value(value)
        case "d" | "x" | "X", int() if not isinstance(value, bool):
            return format(value, f"{plus}{verb}")
        case "f" | "F" | "e" | "E" | "g" | "G", float():
            return _format_number(verb, plus, digits, value)
        case _:
            return f"%!{verb}({_type_name(value)}={format_value(value)})"


def _format_number(verb: str, plus: str, digits: int | None, value: float) -> str:
    if not math.isfinite(value):
        return format_special(value)
    if digits is None:
        if verb in "gG":
            return plus * (value >= 0) + format_float(value)
        digits = 6
    return format(value, f"{plus}.{digits}{verb}")


def _pad(text: str, flags: str, width: int) -> str:
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags:
        return text.zfill(width)
    return text.rjust(width)


def _type_name(value: object) -> str:
    match value:
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float64"
        case str():
            return "string"
        case _:
            return type(value).__name__
