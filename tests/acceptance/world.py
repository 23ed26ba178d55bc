"""ResuMatch on a real PostgreSQL and Redis, its users, and the monitor that watches them."""

import textwrap
from pathlib import Path

from typing_extensions import override

from resumatch.demo.processes import python
from tests.acceptance.monitor import PROJECT_KEY, TOKEN, base_environment
from tests.acceptance.surroundings import Surroundings
from tests.acceptance.targets import HOSTILE_ERRORS, build_hostile_server

ADMIN_EMAIL = "admin@localhost"
ADMIN_PASSWORD = "an-invented-admins-password"
RELEASE = "resumatch@acceptance-1"
PROBE_INTERVAL_SECONDS = 2
DOWN_AFTER_SECONDS = 5
BROKEN_RULE = "BrokenRule"
SOUND_RULE = "SoundRule"

_RULES = f"""
groups:
  - name: acceptance
    rules:
      - alert: {BROKEN_RULE}
        expr: sum(rate(http_requests_total[5m]) > 1
        labels: {{severity: critical}}
      - alert: {SOUND_RULE}
        expr: absent(up{{job="nothing-of-this-name"}}) == 2
        labels: {{severity: warning}}
      - record: acceptance:up:sum
        expr: sum(up)
"""


class World(Surroundings):
    """Everything that the demonstration starts, with short intervals and hostile neighbours."""

    def __init__(self, folder: Path) -> None:
        self.hostile = build_hostile_server()
        super().__init__(
            folder,
            environment={"MONITOR_ADMIN_PASSWORD": ADMIN_PASSWORD, "MONITOR_TOKEN": TOKEN},
        )

    def start(self) -> None:
        """Start everything; whatever was started is ended by `stop`, also after a failure."""
        self.stack.callback(self.hostile.stop)
        self.end_everything_at_stop()
        self.hostile.start()
        self.start_databases()
        self.catcher.start(self.processes)
        self.monitor.start()
        self.start_watched_resumatch()
        self.processes.start(
            "users",
            python(
                *("-m", "resumatch.simulator", "--base-url", self.resumatch_url),
                *("--users-per-minute", "40", "--population", "50"),
            ),
            base_environment(),
        )

    def start_watched_resumatch(self) -> None:
        """Start ResuMatch, which tells the monitor of its errors."""
        self.start_resumatch(
            RESUMATCH_RELEASE=RELEASE,
            SENTRY_DSN=self.dsn(PROJECT_KEY),
            RESUMATCH_LOG_FILE=str(self.folder / "logs" / "resumatch.ndjson"),
        )

    def stop_resumatch(self) -> None:
        """End ResuMatch."""
        self.processes.stop("resumatch")

    def dsn(self, key: str, *, project: int = 1) -> str:
        """Return a Sentry DSN that leads to the monitor."""
        return f"http://{key}@127.0.0.1:{self.ports['monitor']}/{project}"

    @override
    def render_config(self) -> str:
        (self.folder / "rules.yml").write_text(_RULES)
        ports = self.ports
        probe = (
            f"interval: {PROBE_INTERVAL_SECONDS}s, timeout: 2s, down_after: {DOWN_AFTER_SECONDS}s"
        )
        hostile = "".join(
            f"""
  - job_name: {name}
    scrape_interval: 15s
    scrape_timeout: 2s
    metrics_path: /{name}
    static_configs: [{{targets: ["{self.hostile.address}"]}}]"""
            for name in HOSTILE_ERRORS
        )
        head = f"""
            external_url: http://127.0.0.1:{ports["monitor"]}
            auth:
              admin: {{email: {ADMIN_EMAIL}, password: "${{MONITOR_ADMIN_PASSWORD}}"}}
              tokens: [{{name: acceptance, token: "${{MONITOR_TOKEN}}", role: editor}}]
            projects:
              - {{id: 1, slug: resumatch-api, name: ResuMatch back end, key: "{PROJECT_KEY}"}}
            global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
            rule_files: [rules.yml]
            collectors:
              postgres: [{{name: resumatch, dsn: "{self.postgres_dsn}", interval: 1s, timeout: 1s}}]
              redis: [{{name: resumatch, url: "{self.redis_url}", interval: 1s, timeout: 1s}}]
            probes:
              - {{name: ResuMatch API, type: http, {probe},
                 url: "http://127.0.0.1:{ports["resumatch"]}/health"}}
              - {{name: PostgreSQL, type: postgres, {probe}, dsn: "{self.postgres_dsn}"}}
              - {{name: Redis, type: redis, {probe}, url: "{self.redis_url}"}}
            scrape_configs:
              - job_name: resumatch-api
                static_configs: [{{targets: ["127.0.0.1:{ports["resumatch"]}"]}}]
              - job_name: resumatch-monitor
                static_configs: [{{targets: ["127.0.0.1:{ports["monitor"]}"]}}]
        """
        alerting = f"""
logs:
  files:
    - {{path: logs/resumatch.ndjson*}}
    - {{path: "{self.postgres.log}", service: postgresql, first_line: " (LOG|ERROR|FATAL): "}}
    - {{path: logs/redis.log, service: redis}}
alerting:
  route:
    group_by: [alertname, issue]
    group_wait: 1s
    group_interval: 2s
    routes:
      - matchers: ['severity="critical"']
        group_wait: 0s{self.catcher.receiver_yaml}"""
        return textwrap.dedent(head).rstrip() + hostile + alerting
