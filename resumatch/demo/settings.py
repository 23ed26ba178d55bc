"""Where the demonstration runs and what it remembers from one start to the next."""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

HOST = "127.0.0.1"
DEFAULT_FOLDER = Path("demo-data")
DEFAULT_PORT = 9700
POSTGRES_LOG = "server.log"
"""PostgreSQL's log, within its folder."""
_ENVIRONMENT = "demonstration"
_PORTS = ("monitor", "resumatch", "catcher", "smtp", "postgres", "redis")


@dataclass(frozen=True, slots=True)
class Secrets:
    """Made on the first start and kept in the demonstration's folder."""

    admin_password: str
    session_key: str
    synthetic_token: str
    project_key: str


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """Folder, ports and secrets."""

    folder: Path
    port: int
    secrets: Secrets

    def port_of(self, service: str) -> int:
        """Return the port of one of the services: consecutive, the monitor's first."""
        return self.port + _PORTS.index(service)

    def url_of(self, service: str) -> str:
        """Return the address of one of the HTTP services."""
        return f"http://{HOST}:{self.port_of(service)}"

    @property
    def ports(self) -> dict[str, int]:
        """All ports by service."""
        return {service: self.port_of(service) for service in _PORTS}

    @property
    def postgres_dsn(self) -> str:
        """The application's database."""
        return f"postgresql://postgres@{HOST}:{self.port_of('postgres')}/postgres"

    @property
    def redis_url(self) -> str:
        """The application's Redis."""
        return f"redis://{HOST}:{self.port_of('redis')}/0"

    @property
    def sentry_dsn(self) -> str:
        """Where ResuMatch sends its errors: to the monitor."""
        return f"http://{self.secrets.project_key}@{HOST}:{self.port_of('monitor')}/1"

    @property
    def log_folder(self) -> Path:
        """What the processes print, and the log that ResuMatch writes for the monitor."""
        return self.folder / "logs"

    @property
    def resumatch_log(self) -> Path:
        """ResuMatch's log, which the monitor follows."""
        return self.log_folder / "resumatch.ndjson"

    def monitor_environment(self) -> dict[str, str]:
        """Return the variables that `resumatch/monitor.yaml` refers to."""
        return {
            "MONITOR_URL": self.url_of("monitor"),
            "MONITOR_ADMIN_PASSWORD": self.secrets.admin_password,
            "MONITOR_ADDRESS": f"{HOST}:{self.port_of('monitor')}",
            "RESUMATCH_PROJECT_KEY": self.secrets.project_key,
            "RESUMATCH_ADDRESS": f"{HOST}:{self.port_of('resumatch')}",
            "RESUMATCH_DATABASE_DSN": self.postgres_dsn,
            "RESUMATCH_REDIS_URL": self.redis_url,
            "RESUMATCH_ENVIRONMENT": _ENVIRONMENT,
            "RESUMATCH_LOG_FILE": str(self.resumatch_log),
            "POSTGRES_LOG_FILE": str(self.folder / "postgres" / POSTGRES_LOG),
            "REDIS_LOG_FILE": str(self.log_folder / "redis.log"),
            "SMTP_HOST": HOST,
            "SMTP_PORT": str(self.port_of("smtp")),
            "SLACK_WEBHOOK_URL": f"{self.url_of('catcher')}/slack",
            "WEBHOOK_URL": f"{self.url_of('catcher')}/webhook",
            "PAGERDUTY_URL": f"{self.url_of('catcher')}/pagerduty",
            "PAGERDUTY_ROUTING_KEY": self.secrets.project_key,
        }

    def resumatch_environment(self) -> dict[str, str]:
        """Return the variables of the back end."""
        return {
            "HOST": HOST,
            "PORT": str(self.port_of("resumatch")),
            "RESUMATCH_DATABASE_URL": self.postgres_dsn,
            "RESUMATCH_REDIS_URL": self.redis_url,
            "RESUMATCH_SECRET_KEY": self.secrets.session_key,
            "RESUMATCH_SYNTHETIC_TOKEN": self.secrets.synthetic_token,
            "RESUMATCH_ENVIRONMENT": _ENVIRONMENT,
            "RESUMATCH_LOG_FILE": str(self.resumatch_log),
            "RESUMATCH_MIGRATE_ON_START": "1",
            "RESUMATCH_DEMO_FAULTS": "1",
            "SENTRY_DSN": self.sentry_dsn,
        }


def load_settings(environ: Mapping[str, str] = os.environ) -> DemoSettings:
    """Read DEMO_DATA and DEMO_PORT, and the secrets of an earlier start."""
    folder = Path(environ.get("DEMO_DATA") or DEFAULT_FOLDER).resolve()
    port = int(environ.get("DEMO_PORT") or DEFAULT_PORT)
    return DemoSettings(folder, port, _load_secrets(folder / "secrets.json"))


def _load_secrets(path: Path) -> Secrets:
    if path.exists():
        return Secrets(**json.loads(path.read_text()))
    made = Secrets(
        admin_password=secrets.token_urlsafe(9),
        session_key=secrets.token_urlsafe(32),
        synthetic_token=secrets.token_urlsafe(24),
        project_key=secrets.token_hex(16),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(asdict(made)))
    temporary.replace(path)
    return made
