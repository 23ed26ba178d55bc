"""Templates that fail, loop or grow: the alert is told all the same, and the message says so."""

import json
from pathlib import Path

import pytest

from tests.support.monitor import run_monitor
from tests.support.webhooks import Webhook, catch_webhooks

pytestmark = pytest.mark.timeout(120)

TEMPLATES = {
    "Fails": ("{{ first (query `none`) }}", "no result"),
    "CannotBeAsked": ("{{ query `sum(` }}", "unclosed left parenthesis"),
    "Loops": (
        "{{ define `x` }}{{ template `x` . }}{{ end }}{{ template `x` . }}",
        "nested too deeply",
    ),
    "TakesForEver": (
        '{{ range query "up_to_ten" }}' * 6 + "x" + "{{ end }}" * 6,
        "more than 20000 steps",
    ),
    "Grows": ("{{ $x := `ab` }}" + "{{ $x = print $x $x }}" * 60, "larger than"),
}


def build_rules() -> str:
    ten = " or ".join(f'label_replace(vector(1), "n", "{n}", "", "")' for n in range(10))
    rules = [{"record": "up_to_ten", "expr": ten}]
    rules += [
        {
            "alert": name,
            "expr": "up_to_ten{n='0'}",
            "labels": {"severity": "critical"},
            "annotations": {"summary": template, "description": "the rest is fine"},
        }
        for name, (template, _) in TEMPLATES.items()
    ]
    return json.dumps({"groups": [{"name": "hostile", "interval": "1s", "rules": rules}]})


def annotations_of(webhooks: list[Webhook]) -> dict[str, dict[str, str]]:
    return {
        alert["labels"]["alertname"]: alert["annotations"]
        for each in webhooks
        for alert in each.body["alerts"]
    }


def test_an_alert_whose_template_fails_is_told_with_the_error(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(build_rules())
    with catch_webhooks() as catcher:
        config = f"""
default_rules: false
rule_files: [{tmp_path / "rules.yml"}]
alerting:
  receivers: [{{name: team, webhook: [{{url: "{catcher.url}"}}]}}]
"""
        with run_monitor(tmp_path / "monitor", config=config):
            webhooks = catcher.wait(
                lambda each: annotations_of(each).keys() == TEMPLATES.keys(), seconds=60
            )

    told = annotations_of(webhooks)
    for name, (_, error) in TEMPLATES.items():
        assert told[name]["summary"].startswith("<error expanding template: "), name
        assert error in told[name]["summary"]
        assert told[name]["description"] == "the rest is fine"
