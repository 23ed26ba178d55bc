"""Renders `docs/configuration.md` from the configuration's models.

For developers: `python -m resumatch_monitor.config.reference > docs/configuration.md`.
"""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from resumatch_monitor.config.tree import MonitorConfig
from resumatch_monitor.kit.durations import format_duration

_INTRODUCTION = """\
# Configuration

One YAML file configures the monitor: `resumatch-monitor serve --config monitor.yaml`.
`resumatch-monitor init` writes one to start from, with comments; `resumatch-monitor check-config`
says what is wrong with one: file, line, column and key. Everything has a default.

- `${NAME}` in a text stands for an environment variable, `${NAME:-text}` has a default, `$$` is a
  dollar sign. Secrets belong there.
- Durations are written as Prometheus writes them: `30s`, `5m`, `1h30m`, `7d`.
- An unknown key is an error, with a suggestion.

This page is made from the code by `python -m resumatch_monitor.config.reference`.
"""
_SIMPLE_TYPES: dict[object, str] = {
    str: "text",
    int: "number",
    float: "number",
    bool: "true or false",
    timedelta: "duration",
    SecretStr: "secret text",
    Path: "path",
    NoneType: "nothing",
}


def render_reference() -> str:
    """Return the page."""
    parts = [_INTRODUCTION]
    seen: set[type[BaseModel]] = set()
    for name, model in _walk("", MonitorConfig):
        if model not in seen:
            seen.add(model)
            parts.append(_render_section(name, model))
    return "\n".join(parts)


def _walk(path: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    yield path, model
    for name, info in model.model_fields.items():
        for inner, is_list in _models_in(info.annotation):
            if inner is model:
                continue
            key = info.alias or name
            step = f"{key}[]" if is_list else key
            tag = _tag_of(inner)
            suffix = f" (type: {tag})" if tag else ""
            yield from _walk(f"{path}.{step}{suffix}" if path else step + suffix, inner)


def _render_section(path: str, model: type[BaseModel]) -> str:
    title = f"`{path}`" if path else "The file"
    lines = [f"## {title}", "", inspect.getdoc(model) or "", ""]
    lines += ["| key | type | default | |", "|---|---|---|---|"]
    texts = _read_texts(model)
    for name, info in model.model_fields.items():
        cells = (
            f"`{info.alias or name}`",
            _describe_type(info.annotation),
            _describe_default(info),
            _describe(info, texts.get(name, "")).replace("|", "\\|"),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _models_in(annotation: Any) -> Iterator[tuple[type[BaseModel], bool]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, False
        return
    is_list = get_origin(annotation) is list
    for argument in get_args(annotation):
        for model, is_in_list in _models_in(argument):
            yield model, is_list or is_in_list


def _tag_of(model: type[BaseModel]) -> str:
    info = model.model_fields.get("type")
    if info is None or get_origin(info.annotation) is not Literal:
        return ""
    return str(get_args(info.annotation)[0])


def _read_texts(model: type[BaseModel]) -> dict[str, str]:
    """Return what stands below each field in the source.

    Pydantic can do that itself, but at each start of the monitor, which took a tenth longer.
    """
    texts: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if issubclass(each, BaseModel) and each is not BaseModel:
            texts |= _read_own_texts(each)
    return texts


def _read_own_texts(model: type[BaseModel]) -> dict[str, str]:
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(node, ast.ClassDef)
    texts: dict[str, str] = {}
    for field, below in pairwise(node.body):
        match field, below:
            case ast.AnnAssign(ast.Name(name)), ast.Expr(ast.Constant(str() as text)):
                texts[name] = text
            case _:
                pass
    return texts


def _describe(info: FieldInfo, text: str) -> str:
    if info.description or text:
        return " ".join((info.description or text).split())
    models = [model for model, _ in _models_in(info.annotation)]
    return (inspect.getdoc(models[0]) or "").splitlines()[0] if models else ""


def _describe_type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in _SIMPLE_TYPES:
        return _SIMPLE_TYPES[annotation]
    if origin is Literal:
        return ", ".join(f"`{argument}`" for argument in arguments)
    if origin in (Union, UnionType):
        return " or ".join(
            dict.fromkeys(_describe_type(each) for each in arguments if each is not NoneType)
        )
    if origin is list:
        return f"list of {_describe_type(arguments[0])}"
    if origin is dict:
        return f"{_describe_type(arguments[0])} → {_describe_type(arguments[1])}"
    if arguments:
        return _describe_type(arguments[0])
    return "section"


def _describe_default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, timedelta):
        return f"`{format_duration(value)}`"
    if isinstance(value, BaseModel) or value in (None, "", PydanticUndefined):
        return ""
    if isinstance(value, SecretStr):
        return ""
    if isinstance(value, list | dict):
        is_section = any(True for _ in _models_in(info.annotation))
        return "" if not value or is_section else f"`{value}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(render_reference())
