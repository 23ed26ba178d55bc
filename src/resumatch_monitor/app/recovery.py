"""What is done to the data of a monitor that is stopped."""

from datetime import timedelta
from pathlib import Path

from resumatch_monitor.accounts.service import Accounts
from resumatch_monitor.app.folder import DATABASE_NAME, lock_folder
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.storage.sql.accounts import SqlAccountStore
from resumatch_monitor.storage.sql.database import Database


class NoDataError(Exception):
    """No monitor has ever run on the folder."""


async def reset_password(email: str, *, data: Path, clock: Clock, ids: Ids) -> str:
    """Give the account of `email` a new password and return it; its sessions end.

    Raises:
        NoDataError: If there are no data.
        AlreadyRunningError: If a monitor is running on them.
        NewerDatabaseError: If they were left by a later version.
        UnknownUserError: If there is no such account.
    """
    path = data / DATABASE_NAME
    if not path.exists():
        raise NoDataError(f"There is no {path}; say with --data where the monitor keeps its data.")
    with lock_folder(data):
        database = Database(path)
        try:
            database.start()
            accounts = Accounts(
                store=SqlAccountStore(database),
                clock=clock,
                ids=ids,
                session_lifetime=timedelta(0),
            )
            return await accounts.reset_password(email)
        finally:
            database.stop()
