"""The whole configuration as YAML that may be shown: every secret is masked."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import yaml
from pydantic import BaseModel, SecretStr

from resumatch_monitor.config.tree import MonitorConfig
from resumatch_monitor.kit.durations import format_duration
from resumatch_monitor.metrics.targets import mask_url

_MASK = "<secret>"
_PARAMETERS = "params"
_PARAMETER_PREFIX = "__param_"


def render_config(config: MonitorConfig) -> str:
    """Return `config` with its defaults, secrets as `<secret>`, as Prometheus shows its own."""
    return yaml.safe_dump(
        _render(config), sort_keys=False, allow_unicode=True, default_flow_style=False
    )


def _render(value: Any) -> Any:
    match value:
        case SecretStr():
            return _MASK if value.get_secret_value() else ""
        case BaseModel():
            return {
                info.alias or name: _render_key(info.alias or name, shown)
                for name, info in type(value).model_fields.items()
                if (shown := getattr(value, name)) is not None
            }
        case timedelta():
            return format_duration(value)
        case Path():
            return str(value)
        case Enum():
            return value.value
        case str():
            return mask_url(value) if "://" in value else value
        case Mapping():
            mapping = cast("Mapping[str, Any]", value)
            return {str(key): _render_key(str(key), each) for key, each in mapping.items()}
        case Sequence() | set() | frozenset():
            return [_render(each) for each in cast("Sequence[Any]", value)]
        case bool() | int() | float() | None:
            return value
        case _:
            return str(value)


def _render_key(key: str, value: Any) -> Any:
    """Render what stands under `key`; parameters of requests may be secrets by their names."""
    if key == _PARAMETERS and isinstance(value, Mapping):
        parameters = cast("Mapping[str, Any]", value)
        return {
            name: _MASK if _names_a_secret(name) else _render(each)
            for name, each in parameters.items()
        }
    if key.startswith(_PARAMETER_PREFIX) and _names_a_secret(key):
        return _MASK
    return _render(value)


def _names_a_secret(name: str) -> bool:
    return mask_url(f"http://host/?{quote(name)}=shown").endswith("***")
