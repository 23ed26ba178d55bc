"""`kill -9` while errors come as fast as they are answered: what was acknowledged is there."""

from pathlib import Path

import pytest

from benchmarks.errors.crash import measure_crash
from benchmarks.errors.ingest import prepare_bodies

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

_KILLS = 2
_EVENTS = 1_500


def test_kill_nine_in_a_storm_of_errors_loses_none_and_stores_none_twice(tmp_path: Path) -> None:
    bodies, _ = prepare_bodies(tmp_path, 10_000, _KILLS * _EVENTS)

    found = measure_crash(tmp_path / "monitor", bodies, kills=_KILLS, events=_EVENTS)

    assert found["acknowledged"] > 0
    assert found["lost"] == 0
    assert found["twice"] == 0
    assert found["stored"] == found["counted"]
    assert found["is_drained"]
