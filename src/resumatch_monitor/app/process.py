"""What the process tells of itself."""

import shutil
from pathlib import Path

from prometheus_client import Gauge

from resumatch_monitor import __version__
from resumatch_monitor.kit.telemetry import Telemetry


def observe_process(telemetry: Telemetry, folder: Path) -> None:
    """Register the version, and the space that is left where `folder` is."""
    registry = telemetry.registry
    free = Gauge(
        "resumatch_monitor_disk_free_bytes",
        "Free space where the monitor keeps its data.",
        registry=registry,
    )
    free.set_function(lambda: shutil.disk_usage(folder).free)
    build = Gauge("resumatch_monitor_build_info", "The version.", ["version"], registry=registry)
    build.labels(__version__).set(1)
