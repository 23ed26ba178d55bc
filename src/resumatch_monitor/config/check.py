"""Checks a configuration and the rule files that it names, as `check-config` does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resumatch_monitor.config.defaults import RULE_FILES
from resumatch_monitor.config.loader import ConfigError, Problem, find_models, load_config
from resumatch_monitor.config.tree import MonitorConfig
from resumatch_monitor.kit.models import ConfigModel
from resumatch_monitor.kit.yamltree import YamlTree, parse_yaml
from resumatch_monitor.promql.parse import parse
from resumatch_monitor.rules.loader import CheckExpression, load_rule_files
from resumatch_monitor.rules.model import LoadedRules
from resumatch_monitor.sentry.values import as_dict, as_list


def load_rules(config: MonitorConfig) -> LoadedRules:
    """Read the shipped rule files, if they apply, and those that the configuration names."""
    shipped = RULE_FILES if config.default_rules else ()
    return load_rule_files(
        [*shipped, *config.rule_files],
        check_expression=build_expression_check(config),
        default_interval=config.global_.evaluation_interval,
        default_offset=config.global_.rule_query_offset,
    )


def build_expression_check(config: MonitorConfig) -> CheckExpression:
    """Return what refuses PromQL that this configuration does not allow."""
    features = frozenset(config.metrics.promql_features)

    def check_expression(text: str) -> None:
        parse(text, features=features)

    return check_expression


def check_config(path: Path, environment: Mapping[str, str]) -> list[str]:
    """Return everything that is wrong, a line each."""
    try:
        config = load_config(path, environment)
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return [str(problem) for problem in load_rules(config).errors]


def find_warnings(path: Path) -> list[str]:
    """Return a line for each key of a configuration without problems that deserves a look.

    Those are keys that change nothing, and keys that name a file which is not there yet, or a
    project which is not in the configuration.
    """
    tree = parse_yaml(path.read_text())
    folder = path.resolve().parent
    found: list[str] = []
    for place, position in tree.keys.items():
        key = str(place[-1])
        reason = _find_idle_reason(place) or _find_missing_project(tree, place)
        if reason is None and _names_absent_file(key, _value_at(tree, place), folder):
            reason = "there is no such file"
        if reason is not None:
            found.append(str(Problem(str(path), position.line, position.column, key, reason)))
    return found


def _find_idle_reason(place: tuple[str | int, ...]) -> str | None:
    for model in find_models(MonitorConfig, place[:-1]):
        if issubclass(model, ConfigModel) and place[-1] in model.idle_keys:
            return f"has no effect: {model.idle_keys[str(place[-1])]}"
    return None


def _find_missing_project(tree: YamlTree, place: tuple[str | int, ...]) -> str | None:
    if place[:-1] != ("errors", "fingerprint_rules"):
        return None
    projects = as_list(as_dict(tree.value).get("projects"))
    slugs = {str(as_dict(each).get("slug")) for each in projects}
    # What the environment says is not looked up for a warning.
    if str(place[-1]) in slugs or any("$" in slug for slug in slugs):
        return None
    return "no project here has this slug: it applies only if one is made in the UI"


def _names_absent_file(key: str, value: object, folder: Path) -> bool:
    # What the environment says is not looked up for a warning.
    is_named = key.endswith("_file") and isinstance(value, str) and "$" not in value
    return is_named and value != "" and not (folder / str(value)).exists()


def _value_at(tree: YamlTree, place: tuple[str | int, ...]) -> object:
    value: Any = tree.value
    for step in place:
        value = value[step]
    return value
