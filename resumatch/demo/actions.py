"""What to break, and how to mend it."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable

from resumatch.demo.databases import Postgres
from resumatch.demo.settings import DemoSettings

_TIMEOUT_SECONDS = 10


class NotRunningError(Exception):
    """The demonstration is not running."""


def break_database(settings: DemoSettings) -> str:
    """Stop PostgreSQL."""
    _postgres(settings).stop()
    return (
        "PostgreSQL is stopped. Within two minutes: the alert DatabaseConnectionFailed, an outage"
        " of the probes, failing requests, and one message about all of it. Undo with: make mend"
    )


def make_error_storm(settings: DemoSettings) -> str:
    """Make every request of ResuMatch's users fail."""
    _set_faults(settings, {"error_storm": True})
    return (
        "ResuMatch fails like a bad release. Within two minutes: new issues, the alert ErrorStorm,"
        " and messages. Undo with: make mend"
    )


def slow_analysis(settings: DemoSettings) -> str:
    """Make every analysis take six seconds."""
    _set_faults(settings, {"slow_analysis_seconds": 6})
    return (
        "Every analysis takes six seconds. Within two minutes: the alert SlowAnalysis and a"
        " message. Undo with: make mend"
    )


def mend(settings: DemoSettings) -> str:
    """Undo whatever was broken."""
    _postgres(settings).start()
    _set_faults(settings, {})
    return "Everything is mended. Within two minutes: the resolved messages."


ACTIONS: dict[str, Callable[[DemoSettings], str]] = {
    "break-database": break_database,
    "error-storm": make_error_storm,
    "slow-analysis": slow_analysis,
    "mend": mend,
}


def _postgres(settings: DemoSettings) -> Postgres:
    if not (settings.folder / "postgres").exists():
        raise NotRunningError
    return Postgres(settings.folder / "postgres", settings.port_of("postgres"))


def _set_faults(settings: DemoSettings, faults: dict[str, object]) -> None:
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{settings.url_of('resumatch')}/demo/faults",
        data=json.dumps(faults).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310
            pass
    except urllib.error.URLError as error:
        raise NotRunningError from error
