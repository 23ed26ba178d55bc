from pathlib import Path

from resumatch_monitor.app.secret import read_secret
from tests.support.ids import SequentialIds


def test_a_secret_is_made_once_and_nobody_else_may_read_it(
    tmp_path: Path, ids: SequentialIds
) -> None:
    first = read_secret(tmp_path, ids)
    second = read_secret(tmp_path, ids)

    assert first == second != b""
    assert (tmp_path / "links.key").stat().st_mode & 0o777 == 0o600


def test_a_power_cut_while_it_was_made_leaves_no_empty_secret(
    tmp_path: Path, ids: SequentialIds
) -> None:
    (tmp_path / "links.key").touch()

    assert read_secret(tmp_path, ids) != b""
