"""Reads `monitor.yaml`: positions in every error, secrets from the environment, defaults."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from resumatch_monitor.config.tree import MonitorConfig
from resumatch_monitor.kit.models import ConfigModel
from resumatch_monitor.kit.yamltree import Position, YamlError, YamlTree, parse_yaml

_VARIABLE = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
# There `$1` and `${name}` are groups of a regular expression, as in Prometheus.
_OWN_DOLLARS = frozenset(("relabel_configs", "metric_relabel_configs"))
_LARGEST_FILE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the configuration."""

    file: str
    line: int
    column: int
    key: str
    message: str

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{self.file}:{self.line}:{self.column}: {key}{self.message}"


class ConfigError(Exception):
    """The configuration cannot be used; `problems` says everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


def load_config(path: Path, environment: Mapping[str, str]) -> MonitorConfig:
    """Read the file at `path`.

    `${NAME}` in a text stands for an environment variable, `${NAME:-text}` has a default, `$$` is
    a dollar sign. Relative paths in `rule_files` are relative to the file.

    Raises:
        ConfigError: With every problem found.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError([Problem(str(path), 1, 1, "", error.strerror or str(error))]) from error
    if len(raw) > _LARGEST_FILE_BYTES:
        raise ConfigError([Problem(str(path), 1, 1, "", "the file is larger than 4 MiB")])
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(str(path), line, 1, "", "the file is not UTF-8")]) from error
    folder = path.resolve().parent
    config = parse_config(text, source=str(path), environment=environment, folder=folder)
    return config.model_copy(
        update={"rule_files": [folder / pattern for pattern in config.rule_files]}
    )


def parse_config(
    text: str, *, source: str, environment: Mapping[str, str], folder: Path | None = None
) -> MonitorConfig:
    """Parse the text of a configuration file.

    Args:
        text: The file.
        source: Names it in errors.
        environment: What `${NAME}` stands for.
        folder: What relative paths are relative to; None to leave them as they are.

    Raises:
        ConfigError: With every problem found.
    """
    try:
        tree = parse_yaml(text)
    except YamlError as error:
        raise ConfigError([_problem(source, error.position, (), error.message)]) from error
    value: Any = {} if tree.value is None else tree.value
    if not isinstance(value, dict):
        raise ConfigError([_problem(source, Position(1, 1), (), "expected keys and values")])
    problems: list[Problem] = []
    expanded = _Expander(source, tree, environment, problems).expand(value, ())
    if problems:
        raise ConfigError(problems)
    try:
        return MonitorConfig.model_validate(expanded, context={"folder": folder})
    except ValidationError as error:
        raise ConfigError(
            [_explain(source, tree, detail) for detail in error.errors(include_url=False)]
        ) from error


class _Expander:
    """Replaces `${NAME}` in every text of the tree."""

    def __init__(
        self,
        source: str,
        tree: YamlTree,
        environment: Mapping[str, str],
        problems: list[Problem],
    ) -> None:
        self._source = source
        self._tree = tree
        self._environment = environment
        self._problems = problems

    def expand(self, value: Any, path: tuple[str | int, ...]) -> Any:
        if isinstance(value, str):
            return _VARIABLE.sub(lambda match: self._replace(match, path), value)
        if isinstance(value, dict):
            mapping = cast("dict[str, Any]", value)
            return {
                key: each if key in _OWN_DOLLARS else self.expand(each, (*path, key))
                for key, each in mapping.items()
            }
        if isinstance(value, list):
            items = cast("list[Any]", value)
            return [self.expand(each, (*path, index)) for index, each in enumerate(items)]
        return value

    def _replace(self, match: re.Match[str], path: tuple[str | int, ...]) -> str:
        if match[0] == "$$":
            return "$"
        name = match[1]
        default: str | None = match[2]
        value = self._environment.get(name, default)
        if value is None:
            message = f"the environment variable {name} is not set"
            self._problems.append(_problem(self._source, self._tree.position(path), path, message))
            return ""
        return value


def _explain(source: str, tree: YamlTree, detail: ErrorDetails) -> Problem:
    path = _strip_union_tags(tree, detail["loc"])
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        name = str(path[-1])
        reason = _find_refusal(MonitorConfig, detail["loc"][:-1], name)
        if reason is not None:
            return _problem(source, tree.key_position(path), path, reason)
        known = _known_keys(MonitorConfig, detail["loc"][:-1])
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        message = f"there is no such key{_suggest(close, known)}"
        return _problem(source, tree.key_position(path), path, message)
    if detail["type"] == "missing":
        message = "this key is required and missing"
    return _problem(source, tree.position(path), path, message)


def _suggest(close: Sequence[str], known: Sequence[str]) -> str:
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; possible are: {', '.join(sorted(known))}" if known else ""


def _strip_union_tags(tree: YamlTree, loc: Sequence[str | int]) -> tuple[str | int, ...]:
    """Leave out what pydantic adds to a location for a member of a union."""
    path: list[str | int] = []
    value: Any = tree.value
    for index, step in enumerate(loc):
        if _has_child(value, step):
            value = value[step]
        elif index < len(loc) - 1 or not _is_mapping(value):
            continue
        path.append(step)
    return tuple(path)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _has_child(value: Any, step: str | int) -> bool:
    if isinstance(step, int):
        return isinstance(value, list) and step < len(cast("list[Any]", value))
    return isinstance(value, dict) and step in value


def _known_keys(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """Return the keys that the section at `loc` may have."""
    return sorted(
        {
            info.alias or name
            for each in find_models(model, loc)
            for name, info in each.model_fields.items()
        }
    )


def _find_refusal(model: type[BaseModel], loc: Sequence[str | int], key: str) -> str | None:
    """Return why the section at `loc` has no such key, if people are known to bring it along."""
    for each in find_models(model, loc):
        if issubclass(each, ConfigModel) and key in each.refused_keys:
            return each.refused_keys[key]
    return None


def find_models(model: type[BaseModel], loc: Sequence[str | int]) -> list[type[BaseModel]]:
    """Return the models that the section at `loc` below `model` may be of."""
    models: list[type[BaseModel]] = [model]
    for step in loc:
        following: list[type[BaseModel]] = []
        for each in models:
            for name, info in each.model_fields.items():
                if step == (info.alias or name):
                    following.extend(_models_in(info))
        if following:
            models = following
        elif isinstance(step, str):
            tagged = [each for each in models if _tag_of(each) == step]
            models = tagged or models
    return models


def _tag_of(model: type[BaseModel]) -> str | None:
    info = model.model_fields.get("type")
    arguments = get_args(info.annotation) if info is not None else ()
    return str(arguments[0]) if arguments else None


def _models_in(info: FieldInfo) -> list[type[BaseModel]]:
    found: list[type[BaseModel]] = []
    pending: list[Any] = [info.annotation]
    while pending:
        each = pending.pop()
        if isinstance(each, type) and issubclass(each, BaseModel):
            found.append(each)
        else:
            pending.extend(get_args(each))
    return found


def _problem(source: str, position: Position, path: Sequence[str | int], message: str) -> Problem:
    key = ""
    for step in path:
        key += f"[{step}]" if isinstance(step, int) else f".{step}" if key else step
    return Problem(source, position.line, position.column, key, message)
