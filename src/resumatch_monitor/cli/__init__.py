"""The command `resumatch-monitor`."""

import gc
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` name and return the exit status."""
    # A thousand modules are loaded here; to look for garbage meanwhile, of which there is none,
    # takes a sixth of the time.
    gc.disable()
    try:
        from resumatch_monitor.cli import commands  # noqa: PLC0415
    finally:
        gc.enable()
    return commands.run(arguments)
