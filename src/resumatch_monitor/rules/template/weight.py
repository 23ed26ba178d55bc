"""How large a value of a template is, before anything is made of it."""

from collections.abc import Iterable, Mapping
from typing import cast

from resumatch_monitor.rules.template.functions import TemplateSample

_EACH = 16
"""Characters that a number or a place in a list counts as."""


def weigh(values: Iterable[object], limit: int) -> int:
    """Return about how many characters `values` have; stops soon after `limit`.

    A value may hold another one many times over, so that it is far larger than what it took.
    """
    weight = 0
    left = list(values)
    while left and weight <= limit:
        value = left.pop()
        match value:
            case str():
                weight += len(value)
            case TemplateSample():
                left.append(value.labels)
            case Mapping():
                for key, item in cast("Mapping[object, object]", value).items():
                    left += (key, item)
            case list():
                weight += _EACH
                left += cast("list[object]", value)
            case _:
                weight += _EACH
    return weight
