"""Programs that run with npm packages, which a lock file pins."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

_INSTALL_SECONDS = 240


def install_packages(folder: Path) -> None:
    """Install what the lock file in `folder` names, unless that is done.

    Without npm, or without its registry, the test is skipped, but not in CI.
    """
    lock = folder / "package-lock.json"
    stamp = folder / "node_modules" / ".installed"
    with lock.open("rb") as file:
        # Tests of several processes may want them at the same time.
        fcntl.flock(file, fcntl.LOCK_EX)
        wanted = hashlib.sha256(file.read()).hexdigest()
        if stamp.exists() and stamp.read_text() == wanted:
            return
        done = run_node(
            [find_program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            folder,
            os.environ,
            _INSTALL_SECONDS,
        )
        if done.returncode != 0:
            give_up(f"the packages of {folder.name} cannot be had:\n{done.stdout}")
        stamp.write_text(wanted)


def run_node(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, whatever that is; `stdout` has both of its streams."""
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )


def find_program(name: str) -> str:
    """Return the path of a program; without it, the test is skipped, but not in CI."""
    found = shutil.which(name)
    if found is None:
        give_up(f"{name} is not installed")
    return found


def give_up(reason: str) -> NoReturn:
    """Skip the test for something that this machine lacks; in CI it fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
