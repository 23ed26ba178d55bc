"""What is shipped: rules, dashboards and the configuration that `init` writes."""

from pathlib import Path

_FOLDER = Path(__file__).parent

RULE_FILES = tuple(
    _FOLDER / "rules" / name for name in ("resumatch.yml", "performance.yml", "monitor.yml")
)
"""Evaluated beside the user's own `rule_files`."""

DASHBOARD_FILES = (_FOLDER / "dashboards" / "technical.json",)
"""In the monitor's own form, docs/http-api.md."""

GRAFANA_DASHBOARD_FILES = (_FOLDER / "dashboards" / "grafana-technical.json",)
"""The same dashboards as Grafana imports them."""
