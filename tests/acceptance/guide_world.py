"""ResuMatch, and a monitor that watches it by the guide's rules and the policy of the house."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import yaml
from typing_extensions import override

from resumatch_monitor.dispatch.policy.config import AlertingConfig
from tests.acceptance.guide_rules import shorten_rules
from tests.acceptance.monitor import TOKEN
from tests.acceptance.surroundings import Surroundings
from tests.support.prompb import pack, write_request

JOB = "resumatch-api"
USUAL_REGISTRATIONS = 60
"""Of each hour of the week that is written."""

# The policy's waits, and what becomes of them here.
_WAITS = ("group_wait", "group_interval")
_SHORTER = {"15s": "500ms", "1m": "2s"}
_HISTORY = timedelta(days=8)
_STEP = timedelta(minutes=5)


class GuideWorld(Surroundings):
    """Everything that an alert of the guide needs to come about, and to be told."""

    def start(self) -> None:
        """Start everything; whatever was started is ended by `stop`, also after a failure."""
        self.end_everything_at_stop()
        self.start_databases()
        self.catcher.start(self.processes)
        self.monitor.start()
        self._write_history()
        self.start_resumatch()

    def _write_history(self) -> None:
        """Write a week in which people registered steadily, until an hour ago."""
        now = datetime.now(UTC)
        start, last = now - _HISTORY, now - timedelta(hours=1)
        samples: list[tuple[int, float]] = []
        for number in range(_HISTORY // _STEP + 1):
            at = start + number * _STEP
            hours = (min(at, last) - start) / timedelta(hours=1)
            samples.append((int(at.timestamp() * 1000), round(hours * USUAL_REGISTRATIONS)))
        labels = {
            "__name__": "user_registrations_total",
            "job": JOB,
            "instance": self._address,
        }
        httpx.post(
            f"{self.monitor.url}/api/v1/write",
            content=pack(write_request((labels, samples))),
            headers={
                "Authorization": f"Bearer {TOKEN}",
                "Content-Type": "application/x-protobuf",
                "Content-Encoding": "snappy",
                "X-Prometheus-Remote-Write-Version": "0.1.0",
            },
            trust_env=False,
        ).raise_for_status()

    @property
    def _address(self) -> str:
        return f"127.0.0.1:{self.ports['resumatch']}"

    @override
    def render_config(self) -> str:
        (self.folder / "rules.yml").write_text(yaml.safe_dump(shorten_rules()))
        # JSON is YAML.
        return json.dumps(self._build_config(), indent=2)

    def _build_config(self) -> dict[str, Any]:
        second = {"scrape_interval": "1s", "scrape_timeout": "1s"}
        often = {"interval": "1s", "timeout": "1s"}
        return {
            "external_url": f"http://127.0.0.1:{self.ports['monitor']}",
            "auth": {"tokens": [{"name": "acceptance", "token": TOKEN, "role": "editor"}]},
            "global": {**second, "evaluation_interval": "1s"},
            "default_rules": False,
            "rule_files": ["rules.yml"],
            "scrape_configs": [
                {"job_name": JOB, "static_configs": [{"targets": [self._address]}]},
            ],
            "collectors": {
                "postgres": [{"name": "resumatch", "dsn": self.postgres_dsn, **often}],
                "redis": [{"name": "resumatch", "url": self.redis_url, **often}],
            },
            # It notices the same outage as the collector, as quickly.
            "probes": [
                {
                    "name": "PostgreSQL",
                    "type": "postgres",
                    "dsn": self.postgres_dsn,
                    **often,
                    "down_after": "2s",
                }
            ],
            "alerting": self._build_alerting(),
        }

    def _build_alerting(self) -> dict[str, Any]:
        """Return the policy of the house, written out, with shorter waits between messages."""
        receiver = {
            "name": "team",
            "email": [self.catcher.email],
            "slack": [{"webhook_url": f"{self.catcher.url}/slack"}],
            "pagerduty": [self.catcher.pagerduty],
        }
        policy = AlertingConfig.model_validate({"receivers": [receiver]}).policy
        escalations = [each.model_dump(exclude_defaults=True) for each in policy.escalations]
        # No digest comes in between.
        far = datetime.now(UTC) + timedelta(hours=12)
        return {
            "receivers": [receiver],
            "route": _shorten(policy.route.model_dump(by_alias=True, exclude_defaults=True)),
            "escalations": escalations,
            "digests": {"daily_at": f"{far:%H:%M}"},
        }


def _shorten(node: dict[str, Any]) -> dict[str, Any]:
    own = {name: _SHORTER.get(value, value) for name, value in node.items() if name in _WAITS}
    rest = {name: value for name, value in node.items() if name not in (*_WAITS, "routes")}
    if "channels" in rest:
        # What the team does not have need not be named.
        rest["channels"] = [each for each in rest["channels"] if each in ("email", "slack")]
    return {**rest, **own, "routes": [_shorten(each) for each in node.get("routes", ())]}
