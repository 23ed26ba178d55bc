import asyncio
import logging
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from logging import Logger
from pathlib import Path

import pytest

from resumatch_monitor import __version__
from resumatch_monitor.accounts.model import Role
from resumatch_monitor.accounts.service import Accounts
from resumatch_monitor.app.folder import DATABASE_NAME, lock_folder
from resumatch_monitor.cli import main
from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.storage.sql.accounts import SqlAccountStore
from resumatch_monitor.storage.sql.database import Database


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Undo what `serve` does to the logging of the whole process."""
    root = logging.getLogger()
    names = [name for name, each in root.manager.loggerDict.items() if isinstance(each, Logger)]
    loggers = [root, *map(logging.getLogger, names)]
    before = [(each, each.level, each.handlers[:], each.filters[:]) for each in loggers]
    yield
    for each, level, handlers, filters in before:
        each.setLevel(level)
        each.handlers[:] = handlers
        each.filters[:] = filters


def test_init_writes_a_configuration_that_check_config_finds_fine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "monitor.yaml"

    assert main(["init", str(file)]) == 0
    assert main(["check-config", str(file)]) == 0

    assert f"{file} is fine." in capsys.readouterr().out


def test_init_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "monitor.yaml"
    file.write_text("# mine\n")

    assert main(["init", str(file)]) == 1

    assert file.read_text() == "# mine\n"
    assert "exists already" in capsys.readouterr().err


def test_init_says_where_it_cannot_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path / "absent" / "monitor.yaml")]) == 1

    assert "cannot be written" in capsys.readouterr().err


def test_check_config_says_everything_that_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rules.yml").write_text(
        "groups:\n  - name: own\n    rules:\n      - {alert: A, expr: 'up =='}\n"
    )
    file = tmp_path / "monitor.yaml"
    file.write_text("rule_files: [rules.yml]\n")

    assert main(["check-config", str(file)]) == 1

    error = capsys.readouterr().err
    assert "rules.yml:4" in error
    assert f"1 problem in {file}" in error


def test_check_config_names_file_line_and_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "monitor.yaml"
    file.write_text("probes: []\nprobess: []\nstorage: {min_free_bytes: much}\n")

    assert main(["check-config", str(file)]) == 1

    error = capsys.readouterr().err
    assert f"{file}:2:1: probess: there is no such key; did you mean 'probes'?" in error
    assert f"{file}:3:" in error
    assert f"2 problems in {file}" in error


def test_check_config_warns_and_is_content(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "monitor.yaml"
    file.write_text("global: {query_log_file: /q.log}\n")

    assert main(["check-config", str(file)]) == 0

    said = capsys.readouterr()
    assert "is fine" in said.out
    assert f"warning: {file}:1:10: query_log_file: has no effect" in said.err


def test_check_config_of_an_absent_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", str(tmp_path / "monitor.yaml")]) == 1

    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize("listen", ["9700", "localhost:", "localhost:http", "localhost:70000"])
def test_an_address_that_cannot_be_is_refused_before_anything_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], listen: str
) -> None:
    data = tmp_path / "data"

    assert main(["serve", "--data", str(data), "--listen", listen]) == 2

    assert "--listen takes HOST:PORT" in capsys.readouterr().err
    assert not data.exists()


def test_a_second_monitor_on_the_same_data_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with lock_folder(tmp_path):
        status = main(["serve", *empty_config(tmp_path), "--data", str(tmp_path)])

    assert status == 1
    assert "Another monitor is running" in capsys.readouterr().err


def test_an_address_that_is_taken_leaves_the_data_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        status = main(["serve", *empty_config(tmp_path), "--data", str(data), "--listen", listen])

    assert status == 1
    assert "in use" in capsys.readouterr().err
    assert [path.name for path in data.iterdir()] == ["lock"]


@pytest.mark.parametrize("command", ["serve", "reset-password"])
def test_data_of_a_later_version_are_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    asyncio.run(add_user(tmp_path, "alice@example.org"))
    with closing(sqlite3.connect(tmp_path / DATABASE_NAME)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    rest = {
        "serve": [*empty_config(tmp_path), "--listen", "127.0.0.1:0"],
        "reset-password": ["alice@example.org"],
    }

    assert main([command, *rest[command], "--data", str(tmp_path)]) == 1

    assert "later version" in capsys.readouterr().err


def test_reset_password_prints_one_that_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    email = "alice@example.org"
    asyncio.run(add_user(tmp_path, email))

    assert main(["reset-password", email, "--data", str(tmp_path)]) == 0

    password = capsys.readouterr().out.split("\n\n")[1].strip()
    assert asyncio.run(sign_in(tmp_path, email, password))


def test_reset_password_says_that_the_monitor_must_be_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(add_user(tmp_path, "alice@example.org"))
    with lock_folder(tmp_path):
        status = main(["reset-password", "alice@example.org", "--data", str(tmp_path)])

    assert status == 1
    assert "Stop it first." in capsys.readouterr().err


@pytest.mark.parametrize("email", ["bob@example.org", ""])
def test_reset_password_of_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], email: str
) -> None:
    asyncio.run(add_user(tmp_path, "alice@example.org"))

    assert main(["reset-password", email, "--data", str(tmp_path)]) == 1

    assert "There is no account" in capsys.readouterr().err


def test_it_knows_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])

    assert capsys.readouterr().out.strip() == __version__


def empty_config(folder: Path) -> list[str]:
    """Return the option for an empty configuration, lest one that lies about be taken."""
    file = folder / "empty.yaml"
    file.write_text("")
    return ["--config", str(file)]


async def add_user(folder: Path, email: str) -> None:
    database = Database(folder / DATABASE_NAME)
    database.start()
    await make_accounts(database).add_user(
        email=email, name="Alice", role=Role.ADMIN, password="a password of Alice's"
    )
    database.stop()


async def sign_in(folder: Path, email: str, password: str) -> str:
    database = Database(folder / DATABASE_NAME)
    database.start()
    token = await make_accounts(database).sign_in(email, password, address="", user_agent="")
    database.stop()
    return token


def make_accounts(database: Database) -> Accounts:
    return Accounts(
        store=SqlAccountStore(database),
        clock=SystemClock(),
        ids=RandomIds(),
        session_lifetime=timedelta(days=1),
    )
