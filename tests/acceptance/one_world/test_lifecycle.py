"""Starting, stopping, and what comes before the first start."""

import re
import time
from pathlib import Path

import pytest

from resumatch.demo.processes import Processes
from tests.acceptance.monitor import TOKEN, MonitorProcess, run_command
from tests.acceptance.ports import choose_ports
from tests.acceptance.waiting import wait_until
from tests.acceptance.world import World

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(240),
]

_STOP_SECONDS = 10


def test_a_second_monitor_on_the_same_data_is_refused(world: World, tmp_path: Path) -> None:
    (port,) = choose_ports(1)
    config = tmp_path / "monitor.yaml"
    config.write_text("")

    finished = run_command(
        *("serve", "--config", config, "--data", world.monitor.data),
        *("--listen", f"127.0.0.1:{port}"),
    )

    assert finished.returncode == 1
    assert f"Another monitor is running on {world.monitor.data}." in finished.stderr
    assert "Traceback" not in finished.stderr
    assert world.monitor.api.get("/health")["status"] == "healthy"


def test_an_address_that_is_taken_is_named(world: World, tmp_path: Path) -> None:
    finished = run_command(
        "serve", "--data", tmp_path / "data", "--listen", f"127.0.0.1:{world.monitor.port}"
    )

    assert finished.returncode == 1
    assert "address already in use" in finished.stderr
    assert str(world.monitor.port) in finished.stderr
    assert "Traceback" not in finished.stderr


def test_init_writes_a_configuration_that_is_fine_and_starts(
    processes: Processes, tmp_path: Path
) -> None:
    config = tmp_path / "monitor.yaml"

    written = run_command("init", config)
    checked = run_command("check-config", config)
    again = run_command("init", config)

    assert written.returncode == 0, written.stderr
    assert checked.returncode == 0, checked.stderr
    assert "is fine" in checked.stdout
    assert again.returncode == 1
    assert "exists already" in again.stderr
    (port,) = choose_ports(1)
    monitor = MonitorProcess(
        name="first",
        config=config,
        data=tmp_path / "data",
        port=port,
        processes=processes,
    )
    monitor.start()
    password = wait_until(lambda: _find_password(monitor), "the admin's password is printed")
    assert monitor.terminate(timeout_seconds=_STOP_SECONDS) == 0
    monitor.start()
    assert monitor.log.read_text().count(password) == 1
    assert monitor.terminate(timeout_seconds=_STOP_SECONDS) == 0
    monitor.close()


def test_sigterm_ends_it_under_load_and_a_start_finds_everything(
    processes: Processes, tmp_path: Path
) -> None:
    (port,) = choose_ports(1)
    config = tmp_path / "monitor.yaml"
    config.write_text(
        f"auth: {{tokens: [{{name: acceptance, token: {TOKEN}, role: viewer}}]}}\n"
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        "scrape_configs:\n"
        "  - job_name: itself\n"
        f'    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]\n'
    )
    monitor = MonitorProcess(
        name="itself", config=config, data=tmp_path / "data", port=port, processes=processes
    )
    monitor.start()
    before = wait_until(lambda: monitor.api.query('up{job="itself"}[1h]'), "it scrapes itself")

    status = monitor.terminate(timeout_seconds=_STOP_SECONDS)
    started = time.monotonic()
    monitor.start()
    took_seconds = time.monotonic() - started

    assert status == 0
    print(f"ready {took_seconds:.1f} s after serve, on existing data")  # noqa: T201
    after = monitor.api.query('up{job="itself"}[1h]')
    assert after[0]["values"][: len(before[0]["values"])] == before[0]["values"]
    assert "Traceback" not in monitor.log.read_text()
    monitor.close()


def _find_password(monitor: MonitorProcess) -> str | None:
    found = re.search(r"with the password\s+(\S+)\s+It is not shown", monitor.log.read_text())
    return found[1] if found else None
