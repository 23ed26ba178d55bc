"""ResuMatch on a real PostgreSQL and Redis, its users, and the monitor that watches them."""

import textwrap
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from resumatch.demo.databases import Postgres, redis_command
from resumatch.demo.processes import Processes, python
from tests.acceptance.messages import Catcher
from tests.acceptance.monitor import PROJECT_KEY, TOKEN, MonitorProcess, base_environment
from tests.acceptance.ports import choose_ports
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


def resumatch_environment(port: int, dsn: str, redis_url: str) -> dict[str, str]:
    """Return the environment of a ResuMatch that can be broken."""
    return base_environment() | {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "RESUMATCH_DATABASE_URL": dsn,
        "RESUMATCH_REDIS_URL": redis_url,
        "RESUMATCH_SECRET_KEY": "0123456789abcdef0123456789abcdef",
        "RESUMATCH_ENVIRONMENT": "acceptance",
        "RESUMATCH_MIGRATE_ON_START": "1",
        "RESUMATCH_DEMO_FAULTS": "1",
    }


class World:
    """Everything that the demonstration starts, with short intervals and hostile neighbours."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self.processes = Processes(folder / "logs")
        names = ("monitor", "resumatch", "http", "smtp", "postgres", "redis")
        self._ports = dict(zip(names, choose_ports(len(names)), strict=True))
        self.catcher = Catcher(
            name="catcher", folder=folder, ports=(self._ports["http"], self._ports["smtp"])
        )
        self.postgres = Postgres(folder / "postgres", self._ports["postgres"])
        self.hostile = build_hostile_server()
        self.monitor = MonitorProcess(
            name="monitor",
            config=self._write_config(),
            data=folder / "monitor",
            port=self._ports["monitor"],
            processes=self.processes,
            environment={"MONITOR_ADMIN_PASSWORD": ADMIN_PASSWORD, "MONITOR_TOKEN": TOKEN},
        )
        self.resumatch_url = f"http://127.0.0.1:{self._ports['resumatch']}"
        self.resumatch = httpx.Client(
            base_url=self.resumatch_url,
            timeout=30,
            trust_env=False,
            # A server closes the connection after an exception; the next request has its own.
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def start(self) -> None:
        """Start everything; whatever was started is ended by `stop`, also after a failure."""
        # In reverse: the processes first, then what they use.
        self._stack.callback(self.postgres.stop)
        self._stack.callback(self.hostile.stop)
        for client in (self.monitor, self.catcher, self.resumatch):
            self._stack.callback(client.close)
        self._stack.callback(self.processes.stop_all)
        self.hostile.start()
        self.postgres.start()
        redis_folder = self._folder / "redis"
        redis_folder.mkdir()
        self.processes.start(
            "redis", redis_command(redis_folder, self._ports["redis"]), base_environment()
        )
        self.catcher.start(self.processes)
        self.monitor.start()
        self.start_resumatch()
        self.processes.start(
            "users",
            python(
                *("-m", "resumatch.simulator", "--base-url", self.resumatch_url),
                *("--users-per-minute", "40", "--population", "50"),
            ),
            base_environment(),
        )

    def stop(self) -> None:
        """End everything."""
        self._stack.close()

    def start_resumatch(self) -> None:
        """Start ResuMatch and wait until it is healthy."""
        self.processes.start(
            "resumatch",
            python("-m", "resumatch.backend.main"),
            resumatch_environment(self._ports["resumatch"], self._dsn, self._redis_url)
            | {"RESUMATCH_RELEASE": RELEASE, "SENTRY_DSN": self.dsn(PROJECT_KEY)},
        )
        self.processes.wait_for_http("resumatch", f"{self.resumatch_url}/health")

    def stop_resumatch(self) -> None:
        """End ResuMatch."""
        self.processes.stop("resumatch")

    def dsn(self, key: str, *, project: int = 1) -> str:
        """Return a Sentry DSN that leads to the monitor."""
        return f"http://{key}@127.0.0.1:{self._ports['monitor']}/{project}"

    def set_faults(self, **faults: Any) -> None:
        """Break ResuMatch, or mend it with nothing."""
        self.resumatch.post("/demo/faults", json=faults).raise_for_status()

    @property
    def _dsn(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self._ports['postgres']}/postgres"

    @property
    def _redis_url(self) -> str:
        return f"redis://127.0.0.1:{self._ports['redis']}/0"

    def _write_config(self) -> Path:
        self._folder.mkdir(exist_ok=True)
        (self._folder / "rules.yml").write_text(_RULES)
        path = self._folder / "monitor.yaml"
        path.write_text(self._render_config())
        return path

    def _render_config(self) -> str:
        ports = self._ports
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
              postgres: [{{name: resumatch, dsn: "{self._dsn}", interval: 1s, timeout: 1s}}]
              redis: [{{name: resumatch, url: "{self._redis_url}", interval: 1s, timeout: 1s}}]
            probes:
              - {{name: ResuMatch API, type: http, {probe},
                 url: "http://127.0.0.1:{ports["resumatch"]}/health"}}
              - {{name: PostgreSQL, type: postgres, {probe}, dsn: "{self._dsn}"}}
              - {{name: Redis, type: redis, {probe}, url: "{self._redis_url}"}}
            scrape_configs:
              - job_name: resumatch-api
                static_configs: [{{targets: ["127.0.0.1:{ports["resumatch"]}"]}}]
              - job_name: resumatch-monitor
                static_configs: [{{targets: ["127.0.0.1:{ports["monitor"]}"]}}]
        """
        alerting = f"""
alerting:
  route:
    group_by: [alertname]
    group_wait: 1s
    group_interval: 2s
    routes:
      - matchers: ['severity="critical"']
        group_wait: 0s{self.catcher.receiver_yaml}"""
        return textwrap.dedent(head).rstrip() + hostile + alerting
