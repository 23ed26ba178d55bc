"""The base of every configuration model and the field types that they share."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    ValidationInfo,
)

from resumatch_monitor.kit.durations import format_duration, parse_duration
from resumatch_monitor.kit.sizes import parse_size


class ConfigModel(BaseModel):
    """A section of the configuration: frozen, and an unknown key is an error.

    Attributes:
        refused_keys: Keys that people bring along and that have no meaning here, with the reason.
        idle_keys: Keys that are accepted and change nothing, with the reason.
    """

    refused_keys: ClassVar[Mapping[str, str]] = {}
    idle_keys: ClassVar[Mapping[str, str]] = {}

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )


def _to_timedelta(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


Duration = Annotated[
    timedelta,
    BeforeValidator(_to_timedelta, json_schema_input_type=str),
    PlainSerializer(format_duration, return_type=str),
]
"""A `timedelta` written as Prometheus writes durations."""


def _to_bytes(value: object) -> object:
    return parse_size(value) if isinstance(value, str) else value


Size = Annotated[int, BeforeValidator(_to_bytes, json_schema_input_type=str)]
"""A number of bytes, written as Prometheus writes sizes: `512KB`, `10MB`."""


def _to_text(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(_to_text, json_schema_input_type=str)]
"""A text that YAML may have taken for a number: `replacement: 8080`."""


def _relative_to_file(path: Path, info: ValidationInfo) -> Path:
    context = cast("Mapping[str, object]", info.context or {})
    folder = context.get("folder")
    return folder / path if isinstance(folder, Path) else path


FilePath = Annotated[Path, AfterValidator(_relative_to_file)]
"""A path relative to the configuration's file."""


def drop_nothings(value: object) -> object:
    """Return a section without the keys that have no value, as Prometheus reads one."""
    if not isinstance(value, dict):
        return value
    section = cast("dict[str, Any]", value)
    return {key: each for key, each in section.items() if each is not None}
