"""Packages of PyPI that cannot live beside those of the tests, in folders of their own."""

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

from tests.support.npm import give_up

_INSTALL_SECONDS = 240
_KEPT_IN = Path(__file__).parents[2] / ".make" / "pypi"


def install_requirements(requirements: Path) -> Path:
    """Install what a file pins, unless that is done; return the folder to import from.

    Without the registry the test is skipped, but not in CI.
    """
    folder = _KEPT_IN / requirements.stem
    stamp = folder / ".installed"
    with requirements.open("rb") as file:
        # Tests of several processes may want them at the same time.
        fcntl.flock(file, fcntl.LOCK_EX)
        wanted = hashlib.sha256(file.read()).hexdigest()
        if stamp.exists() and stamp.read_text() == wanted:
            return folder
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile",
             "--disable-pip-version-check", "--upgrade", "--target", folder, "-r", requirements],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_INSTALL_SECONDS,
            check=False,
        )  # fmt: skip
        if done.returncode != 0:
            give_up(f"the packages of {requirements.name} cannot be had:\n{done.stdout}")
        stamp.write_text(wanted)
    return folder
