"""What every watched ResuMatch needs: its databases, a catcher of messages, and the monitor."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from resumatch.demo.databases import Postgres, redis_command
from resumatch.demo.processes import Processes, python
from tests.acceptance.messages import Catcher
from tests.acceptance.monitor import MonitorProcess, base_environment
from tests.acceptance.ports import choose_ports


class Surroundings(ABC):
    """The parts, none of them started; whoever inherits says in which order they start."""

    def __init__(self, folder: Path, *, environment: Mapping[str, str] | None = None) -> None:
        """Choose the ports and write the configuration; `environment` is the monitor's."""
        self.folder = folder
        self.stack = ExitStack()
        self.processes = Processes(folder / "logs")
        names = ("monitor", "resumatch", "http", "smtp", "postgres", "redis")
        self.ports = dict(zip(names, choose_ports(len(names)), strict=True))
        self.catcher = Catcher(
            name="catcher", folder=folder, ports=(self.ports["http"], self.ports["smtp"])
        )
        self.postgres = Postgres(folder / "postgres", self.ports["postgres"])
        self.resumatch_url = f"http://127.0.0.1:{self.ports['resumatch']}"
        self.resumatch = httpx.Client(
            base_url=self.resumatch_url,
            timeout=30,
            trust_env=False,
            # A server closes the connection after an exception; the next request has its own.
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        folder.mkdir(exist_ok=True)
        config = folder / "monitor.yaml"
        config.write_text(self.render_config())
        self.monitor = MonitorProcess(
            name="monitor",
            config=config,
            data=folder / "monitor",
            port=self.ports["monitor"],
            processes=self.processes,
            environment=environment,
        )

    @abstractmethod
    def render_config(self) -> str:
        """Return the monitor's configuration; files that it names are written beside it."""

    def end_everything_at_stop(self) -> None:
        """Have whatever is started ended by `stop`, also after a failure."""
        # In reverse: the processes first, then what they use.
        self.stack.callback(self.postgres.stop)
        for client in (self.monitor, self.catcher, self.resumatch):
            self.stack.callback(client.close)
        self.stack.callback(self.processes.stop_all)

    def stop(self) -> None:
        """End everything."""
        self.stack.close()

    def start_databases(self) -> None:
        """Start PostgreSQL and Redis."""
        self.postgres.start()
        redis_folder = self.folder / "redis"
        redis_folder.mkdir()
        self.processes.start(
            "redis", redis_command(redis_folder, self.ports["redis"]), base_environment()
        )

    def start_resumatch(self, **more: str) -> None:
        """Start a ResuMatch that can be broken, and wait until it is healthy.

        Args:
            more: What its environment holds besides.
        """
        environment = base_environment() | {
            "HOST": "127.0.0.1",
            "PORT": str(self.ports["resumatch"]),
            "RESUMATCH_DATABASE_URL": self.postgres_dsn,
            "RESUMATCH_REDIS_URL": self.redis_url,
            "RESUMATCH_SECRET_KEY": "0123456789abcdef0123456789abcdef",
            "RESUMATCH_ENVIRONMENT": "acceptance",
            "RESUMATCH_MIGRATE_ON_START": "1",
            "RESUMATCH_DEMO_FAULTS": "1",
        }
        command = python("-m", "resumatch.backend.main")
        self.processes.start("resumatch", command, environment | more)
        self.processes.wait_for_http("resumatch", f"{self.resumatch_url}/health")

    def set_faults(self, **faults: Any) -> None:
        """Break ResuMatch, or mend it with nothing."""
        self.resumatch.post("/demo/faults", json=faults).raise_for_status()

    @property
    def postgres_dsn(self) -> str:
        """Where PostgreSQL is."""
        return f"postgresql://postgres@127.0.0.1:{self.ports['postgres']}/postgres"

    @property
    def redis_url(self) -> str:
        """Where Redis is."""
        return f"redis://127.0.0.1:{self.ports['redis']}/0"
