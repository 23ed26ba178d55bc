from pathlib import Path
from typing import get_args

from resumatch_monitor.config.check import check_config
from resumatch_monitor.metrics.config import PromQLFeature
from resumatch_monitor.promql.parse import FEATURES


def test_the_configuration_knows_the_features_of_the_language() -> None:
    assert set(get_args(PromQLFeature)) == FEATURES


def test_rules_may_use_what_the_configuration_allows(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(
        "groups: [{name: g, rules: [{record: spread, expr: 'mad_over_time(up[5m])'}]}]\n"
    )
    config = tmp_path / "monitor.yml"
    config.write_text(f"rule_files: [{rules}]\n")
    allowed = tmp_path / "allowed.yml"
    allowed.write_text(
        f"rule_files: [{rules}]\nmetrics: {{promql_features: [promql-experimental-functions]}}\n"
    )

    assert "promql-experimental-functions" in check_config(config, {})[0]
    assert check_config(allowed, {}) == []
