import yaml

from resumatch_monitor.config.loader import parse_config
from resumatch_monitor.config.render import render_config

SECRETS = [f"geheim-{number}-0123456789abcdef" for number in range(12)]
TEXT = """
auth:
  admin: {{password: "{0}"}}
  tokens: [{{name: ci, token: "{1}", role: viewer}}]
global: {{scrape_interval: 30s, external_labels: {{cluster: eu}}}}
scrape_configs:
  - job_name: api
    params: {{auth_token: ["{2}"], module: [http_2xx], target: ["https://u:{3}@host/x"]}}
    basic_auth: {{username: me, password: "{4}"}}
    static_configs: [{{targets: ["api:80"], labels: {{__param_api_key: "{5}", zone: a}}}}]
collectors: {{redis: [{{name: cache, url: "redis://:{6}@cache:6379/0"}}]}}
probes:
  - name: front
    type: http
    url: "https://u:{7}@example.org/health?token={8}&q=shown"
    headers: {{X-Key: "{9}"}}
alerting:
  receivers:
    - name: team
      slack: [{{webhook_url: "https://hooks.example.org/{10}"}}]
      webhook: [{{url: "https://example.org/", bearer_token: "{11}"}}]
  route: {{receiver: team}}
"""


def test_the_configuration_is_shown_without_any_secret() -> None:
    text = render_config(parse_config(TEXT.format(*SECRETS), source="f", environment={}))

    assert [secret for secret in SECRETS if secret in text] == []
    shown = yaml.safe_load(text)
    assert shown["auth"]["tokens"] == [{"name": "ci", "token": "<secret>", "role": "viewer"}]
    (job,) = shown["scrape_configs"]
    assert job["basic_auth"] == {"username": "me", "password": "<secret>"}
    assert job["params"]["module"] == ["http_2xx"]
    assert job["static_configs"][0]["labels"] == {"__param_api_key": "<secret>", "zone": "a"}
    assert shown["probes"][0]["url"] == "https://example.org/health?token=***&q=shown"


def test_the_configuration_is_shown_with_its_defaults() -> None:
    shown = yaml.safe_load(render_config(parse_config("", source="f", environment={})))

    assert shown["global"]["scrape_interval"] == "15s"
    assert shown["metrics"]["retention"] == "30d"
    # No password is set: there is nothing to hide, and nothing that looks as if there were.
    assert "password" not in shown["auth"]["admin"]
