"""The Next.js application of `tests/clients/next-app`, built and served by its own tools."""

import contextlib
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.npm import find_program, give_up, run_node
from tests.support.ports import find_free_port

SOURCES = Path(__file__).parents[1] / "clients" / "next-app"
RELEASE = "web@next"
_INSTALL_SECONDS = 240
_BUILD_SECONDS = 420
_START_SECONDS = 120


@dataclass(frozen=True, slots=True)
class NextApp:
    """A build: `output` is what it wrote, `environment` what it ran with."""

    folder: Path
    output: str
    environment: dict[str, str]


def build_next_app(folder: Path, environment: dict[str, str], files: Mapping[str, str]) -> NextApp:
    """Install the application's packages and build it, which uploads its maps.

    Args:
        folder: Where; it must not be there.
        environment: With the token that lets the build upload.
        files: What the set-up instructions say, by the names of the files that it goes to.
    """
    npm = find_program("npm")
    home = folder.parent / "home"
    home.mkdir()
    shutil.copytree(SOURCES, folder, ignore=shutil.ignore_patterns("node_modules", ".next"))
    for name, text in files.items():
        (folder / name).write_text(text)
    environment = {
        **environment,
        # The plugin's uploader remembers there where an organisation was, which is somewhere else
        # each time; npm's cache may stay.
        "HOME": str(home),
        "npm_config_cache": str(Path.home() / ".npm"),
        "NEXT_TELEMETRY_DISABLED": "1",
        "SENTRY_RELEASE": RELEASE,
        "NODE_ENV": "production",
        "CI": "true",
    }
    installed = run_node(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        folder,
        environment,
        _INSTALL_SECONDS,
    )
    if installed.returncode != 0:
        give_up(f"the packages of the Next.js application cannot be had:\n{installed.stdout}")
    built = run_node([npm, "run", "build"], folder, environment, _BUILD_SECONDS)
    assert built.returncode == 0, built.stdout
    return NextApp(folder, built.stdout, environment)


@contextlib.contextmanager
def serve_next_app(app: NextApp) -> Generator[str]:
    """Serve a build and yield its URL."""
    port = find_free_port()
    next_cli = app.folder / "node_modules" / "next" / "dist" / "bin" / "next"
    with (app.folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [find_program("node"), str(next_cli), "start", "-p", str(port), "-H", "127.0.0.1"],
            cwd=app.folder,
            env=app.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_served(server, url, app.folder / "server.log")
        yield url
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_until_served(server: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), opener.open(url, timeout=5):
            return
        time.sleep(0.1)
    raise AssertionError(f"the application is not served:\n{log.read_text(errors='replace')}")
