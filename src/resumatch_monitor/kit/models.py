"""The base of every configuration model and the field types that they share."""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from resumatch_monitor.kit.durations import format_duration, parse_duration


class ConfigModel(BaseModel):
    """A section of the configuration: frozen, and an unknown key is an error."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )


def _to_timedelta(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


Duration = Annotated[
    timedelta,
    BeforeValidator(_to_timedelta, json_schema_input_type=str),
    PlainSerializer(format_duration, return_type=str),
]
"""A `timedelta` written as Prometheus writes durations."""
