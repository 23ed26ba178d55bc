"""Checks a configuration and the rule files that it names, as `check-config` does."""

from collections.abc import Mapping
from pathlib import Path

from resumatch_monitor.config.defaults import RULE_FILES
from resumatch_monitor.config.loader import ConfigError, Problem, find_models, load_config
from resumatch_monitor.config.tree import MonitorConfig
from resumatch_monitor.kit.models import ConfigModel
from resumatch_monitor.kit.yamltree import parse_yaml
from resumatch_monitor.promql.parse import parse
from resumatch_monitor.rules.loader import load_rule_files
from resumatch_monitor.rules.model import LoadedRules


def load_rules(config: MonitorConfig) -> LoadedRules:
    """Read the shipped rule files, if they apply, and those that the configuration names."""
    shipped = RULE_FILES if config.default_rules else ()
    features = frozenset(config.metrics.promql_features)

    def check_expression(text: str) -> None:
        parse(text, features=features)

    return load_rule_files(
        [*shipped, *config.rule_files],
        check_expression=check_expression,
        default_interval=config.global_.evaluation_interval,
        default_offset=config.global_.rule_query_offset,
    )


def check_config(path: Path, environment: Mapping[str, str]) -> list[str]:
    """Return everything that is wrong, a line each."""
    try:
        config = load_config(path, environment)
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return [str(problem) for problem in load_rules(config).errors]


def find_idle_keys(path: Path) -> list[str]:
    """Return a line for each key of a configuration without problems that changes nothing."""
    tree = parse_yaml(path.read_text())
    found: list[str] = []
    for place, position in tree.keys.items():
        key = str(place[-1])
        for model in find_models(MonitorConfig, place[:-1]):
            if issubclass(model, ConfigModel) and key in model.idle_keys:
                reason = f"has no effect: {model.idle_keys[key]}"
                found.append(str(Problem(str(path), position.line, position.column, key, reason)))
                break
    return found
