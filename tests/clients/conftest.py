from collections.abc import Generator

import pytest

from tests.clients.desk import KEY, Desk, open_desk
from tests.support.monitor import RunningMonitor, run_monitor

CONFIG = f"projects: [{{id: 1, slug: shop, key: {KEY}}}]\ndefault_rules: false\n"


@pytest.fixture(scope="module")
def monitor(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningMonitor]:
    with run_monitor(tmp_path_factory.mktemp("monitor"), config=CONFIG) as monitor:
        yield monitor


@pytest.fixture(scope="module")
def desk(monitor: RunningMonitor) -> Generator[Desk]:
    with open_desk(monitor) as desk:
        yield desk
