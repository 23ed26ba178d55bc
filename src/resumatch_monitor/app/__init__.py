"""The composition root: builds everything, starts and stops it; the only place that knows all."""

from resumatch_monitor.app.folder import AlreadyRunningError
from resumatch_monitor.app.recovery import NoDataError, reset_password
from resumatch_monitor.app.serving import serve
from resumatch_monitor.storage.sql.database import NewerDatabaseError

__all__ = ["AlreadyRunningError", "NewerDatabaseError", "NoDataError", "reset_password", "serve"]
