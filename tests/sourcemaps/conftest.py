from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from tests.support.monitor import TOKEN, RunningMonitor, run_monitor
from tests.support.sentry_cli import SentryCli

KEY = "0123456789abcdef0123456789abcdef"
CONFIG = f"projects: [{{id: 1, slug: web, key: {KEY}}}, {{id: 2, slug: api, key: {KEY[::-1]}}}]\n"


@pytest.fixture(scope="module")
def monitor(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningMonitor]:
    with run_monitor(tmp_path_factory.mktemp("monitor"), config=CONFIG) as monitor:
        yield monitor


@pytest.fixture(scope="module")
def admin(monitor: RunningMonitor) -> Generator[httpx.Client]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=monitor.url, headers=headers, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def upload_token(admin: httpx.Client) -> str:
    answer = admin.post("/api/monitor/tokens", json={"name": "ci", "role": "upload"})
    return answer.raise_for_status().json()["token"]


@pytest.fixture
def cli(monitor: RunningMonitor, upload_token: str, tmp_path: Path) -> SentryCli:
    return SentryCli(monitor.url, upload_token, tmp_path)
