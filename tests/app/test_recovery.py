from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from resumatch_monitor.accounts.model import Role
from resumatch_monitor.accounts.service import Accounts, SignInRefusedError, UnknownUserError
from resumatch_monitor.app import AlreadyRunningError, NoDataError, reset_password
from resumatch_monitor.app.folder import DATABASE_NAME, lock_folder
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.storage.sql.accounts import SqlAccountStore
from resumatch_monitor.storage.sql.database import Database
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio

EMAIL = "alice@example.org"
FORGOTTEN = "what was it again"


def open_accounts(database: Database, clock: FakeClock) -> Accounts:
    return Accounts(
        store=SqlAccountStore(database),
        clock=clock,
        ids=RandomIds(),
        session_lifetime=timedelta(days=1),
    )


@pytest.fixture
async def token(tmp_path: Path, clock: FakeClock) -> str:
    """Leave a folder with an account, and return the token of its session."""
    database = Database(tmp_path / DATABASE_NAME)
    database.start()
    accounts = open_accounts(database, clock)
    await accounts.add_user(email=EMAIL, name="Alice", role=Role.ADMIN, password=FORGOTTEN)
    token = await accounts.sign_in(EMAIL, FORGOTTEN, address="", user_agent="")
    database.stop()
    return token


async def test_only_the_new_password_signs_in(tmp_path: Path, clock: FakeClock, token: str) -> None:
    password = await reset_password(
        "Alice@example.org ", data=tmp_path, clock=clock, ids=RandomIds()
    )

    database = Database(tmp_path / DATABASE_NAME)
    database.start()
    accounts = open_accounts(database, clock)
    assert await accounts.sign_in(EMAIL, password, address="", user_agent="")
    with pytest.raises(SignInRefusedError):
        await accounts.sign_in(EMAIL, FORGOTTEN, address="", user_agent="")
    assert await accounts.authenticate_session(token) is None
    database.stop()


@pytest.mark.usefixtures("token")
async def test_an_unknown_account_is_named(tmp_path: Path, clock: FakeClock) -> None:
    with pytest.raises(UnknownUserError, match="bob"):
        await reset_password("bob@example.org", data=tmp_path, clock=clock, ids=RandomIds())


@pytest.mark.usefixtures("token")
async def test_a_running_monitor_is_left_alone(tmp_path: Path, clock: FakeClock) -> None:
    with lock_folder(tmp_path), pytest.raises(AlreadyRunningError):
        await reset_password(EMAIL, data=tmp_path, clock=clock, ids=RandomIds())


async def test_a_folder_without_data_stays_as_it_is(tmp_path: Path, clock: FakeClock) -> None:
    data = tmp_path / "absent"

    with pytest.raises(NoDataError, match="--data"):
        await reset_password(EMAIL, data=data, clock=clock, ids=RandomIds())

    assert not await anyio.Path(data).exists()


def test_only_its_own_user_reads_what_the_monitor_writes(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with lock_folder(folder):
        (folder / "file").touch()
        (folder / "inner").mkdir()

    assert oct(folder.stat().st_mode)[-3:] == "700"
    assert oct((folder / "inner").stat().st_mode)[-3:] == "700"
    assert oct((folder / "file").stat().st_mode)[-3:] == "600"
