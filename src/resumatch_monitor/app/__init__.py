"""The composition root: builds everything, starts and stops it; the only place that knows all."""

from resumatch_monitor.app.serving import AlreadyRunningError, serve

__all__ = ["AlreadyRunningError", "serve"]
