"""`python -m resumatch.demo` runs the demonstration; with an action it breaks or mends it."""

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from resumatch.demo.actions import ACTIONS, NotRunningError
from resumatch.demo.databases import DatabaseUnavailableError, Postgres, redis_command
from resumatch.demo.processes import Processes, StartError, find_taken_port, python
from resumatch.demo.settings import DemoSettings, load_settings

_MONITOR_CONFIG = Path(__file__).parents[1] / "monitor.yaml"
_LOOK_SECONDS = 1.0

_SCREEN = """
ResuMatch Monitor is watching ResuMatch.

  Monitor    {monitor}    sign in as admin@localhost with {password}
  Messages   {catcher}    what the monitor sends to mail, Slack and PagerDuty
  ResuMatch  {resumatch}    with simulated users; their people are invented

Break something from another terminal; the monitor tells you within two minutes:

  make break-database     stops PostgreSQL
  make error-storm        fails like a bad release
  make slow-analysis      makes every analysis take six seconds

  make mend               undoes it, and you are told that too

Ctrl-C stops everything. The data stays in {folder} for the next start.
"""


def main() -> int:
    """Run the demonstration, or the action that the first argument names."""
    settings = load_settings()
    if len(sys.argv) > 1:
        return _act(settings, sys.argv[1])
    try:
        _run(settings)
    except (StartError, DatabaseUnavailableError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _act(settings: DemoSettings, name: str) -> int:
    action = ACTIONS.get(name)
    if action is None:
        sys.stderr.write(f"There is no action {name!r}; there are: {', '.join(ACTIONS)}\n")
        return 2
    try:
        sys.stdout.write(action(settings) + "\n")
    except NotRunningError:
        sys.stderr.write("The demonstration is not running. Start it with: make run\n")
        return 1
    return 0


def _run(settings: DemoSettings) -> None:
    stop = threading.Event()

    def request_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, request_stop)
    postgres = Postgres(settings.folder / "postgres", settings.port_of("postgres"))
    # One that a killed demonstration left behind would hold the port.
    postgres.stop()
    taken = find_taken_port(settings.ports)
    if taken is not None:
        raise StartError(
            f"Port {taken[1]} (for {taken[0]}) is in use. Choose others: make run DEMO_PORT=9800"
        )
    processes = Processes(settings.log_folder)
    try:
        _say("Starting PostgreSQL and Redis …")
        postgres.start()
        _start_all(settings, processes)
        _say(
            _SCREEN.format(
                monitor=settings.url_of("monitor"),
                catcher=settings.url_of("catcher"),
                resumatch=settings.url_of("resumatch"),
                password=settings.secrets.admin_password,
                folder=settings.folder,
            )
        )
        _watch(processes, stop)
    finally:
        _say("Stopping …")
        processes.stop_all()
        postgres.stop()


def _start_all(settings: DemoSettings, processes: Processes) -> None:
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "TZ") if name in os.environ}
    redis_folder = settings.folder / "redis"
    redis_folder.mkdir(exist_ok=True)
    processes.start("redis", redis_command(redis_folder, settings.port_of("redis")), environment)
    processes.start(
        "catcher",
        python(
            *("-m", "resumatch.demo.catcher"),
            *("--http-port", str(settings.port_of("catcher"))),
            *("--smtp-port", str(settings.port_of("smtp"))),
            *("--file", str(settings.folder / "messages.jsonl")),
        ),
        environment,
    )
    _say("Starting the monitor …")
    processes.start(
        "monitor",
        [
            str(Path(sys.executable).with_name("resumatch-monitor")),
            *("serve", "--config", str(_MONITOR_CONFIG)),
            *("--data", str(settings.folder / "monitor")),
            *("--listen", f"127.0.0.1:{settings.port_of('monitor')}"),
        ],
        environment | settings.monitor_environment(),
    )
    processes.wait_for_http("catcher", settings.url_of("catcher"))
    processes.wait_for_http("monitor", f"{settings.url_of('monitor')}/-/ready")
    _say("Starting ResuMatch and its simulated users …")
    processes.start(
        "resumatch",
        python("-m", "resumatch.backend.main"),
        environment | settings.resumatch_environment(),
    )
    processes.wait_for_http("resumatch", f"{settings.url_of('resumatch')}/health")
    processes.start(
        "users",
        python("-m", "resumatch.simulator", "--base-url", settings.url_of("resumatch")),
        environment,
    )


def _watch(processes: Processes, stop: threading.Event) -> None:
    told: set[str] = set()
    while not stop.wait(_LOOK_SECONDS):
        ended = processes.find_ended()
        if ended is not None and ended not in told:
            told.add(ended)
            _say(f"{ended} has ended by itself; see {processes.log_of(ended)}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
