"""The real sentry-cli, as a build runs it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ORGANIZATION = "acme"
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that has ended; `output` has both of its streams."""

    status: int
    output: str


@dataclass(frozen=True, slots=True)
class SentryCli:
    """Runs sentry-cli against a monitor."""

    url: str
    token: str
    folder: Path
    project: str = "web"

    def run(self, *arguments: str) -> Finished:
        """Run a command to its end, whatever that is."""
        done = subprocess.run(
            [find_sentry_cli(), *arguments],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        return Finished(done.returncode, done.stdout + done.stderr)

    def succeed(self, *arguments: str) -> str:
        """Run a command that has to succeed, and return what it wrote."""
        done = self.run(*arguments)
        assert done.status == 0, done.output
        return done.output

    def start(self, arguments: Sequence[str]) -> subprocess.Popen[str]:
        """Start a command, to be waited for."""
        return subprocess.Popen(
            [find_sentry_cli(), *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def environment(self) -> dict[str, str]:
        """Return what tells it and the bundler plugins where to go; no proxy is for loopback."""
        kept = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        return {
            **kept,
            "SENTRY_URL": self.url,
            "SENTRY_AUTH_TOKEN": self.token,
            "SENTRY_ORG": ORGANIZATION,
            "SENTRY_PROJECT": self.project,
            "SENTRY_LOG_LEVEL": "info",
        }


def find_sentry_cli() -> str:
    """Return the program; without it, the test is skipped, but not in CI."""
    program = Path(sys.executable).with_name("sentry-cli")
    if program.exists():
        return str(program)
    reason = "sentry-cli is not installed: pip install sentry-cli"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
