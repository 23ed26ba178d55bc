"""Records what a real client sends, for the corpus in `tests/corpus`.

    python -m tests.clients.recorder NAME [--label TEXT] [--append] -- COMMAND...

starts a monitor, a recording proxy in front of it, and COMMAND in an empty folder; then it writes
`tests/corpus/NAME.ndjson.xz`. The monitor's own answers go back to the client, so whatever the
monitor serves can be recorded: envelopes, `/store/`, `/security/`, check-ins by URL, uploads of
sentry-cli. A script with several clients uses `record` instead:

    with record("javascript") as recording:
        recording.run("node stream", ["node", str(script)], {"OPTION": "1"})

COMMAND finds in its environment, which holds nothing else but PATH, and HOME as the folder:

    SENTRY_DSN         of project 1, `app`, through the proxy
    SENTRY_URL         the proxy, without a final slash
    SENTRY_AUTH_TOKEN  an admin's, for uploads; SENTRY_ORG and SENTRY_PROJECT are set too
    SENTRY_SERVER      a name to send as that of the machine

Paths of this machine and its name are replaced, and what was recorded is searched for what is
left of them. Clients use names, addresses and texts that are invented (`ada@example.org`).
"""

import argparse
import gzip
import os
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import brotli
import zstandard

from tests.clients.anonymous import clean_body, find_leaks, find_replacements
from tests.clients.corpus import FOLDER, Recorded, read_file, write_file
from tests.clients.proxy import RecordingProxy, run_proxy
from tests.support.monitor import TOKEN, RunningMonitor, run_monitor

KEY = "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e"
_CONFIG = f"""
projects: [{{id: 1, slug: app, key: {KEY}}}]
default_rules: false
"""
_RUN_SECONDS = 300
_UNPACK: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "br": cast("Callable[[bytes], bytes]", brotli.decompress),  # pyright: ignore[reportUnknownMemberType]
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}


class Recording:
    """Runs clients against a monitor and keeps what they send."""

    def __init__(
        self,
        monitor: RunningMonitor,
        proxy: RecordingProxy,
        folder: Path,
        beside: Sequence[Path] = (),
    ) -> None:
        self.monitor = monitor
        self.proxy = proxy
        self._folder = folder
        self._replacements = find_replacements(folder, beside)
        self._requests: list[Recorded] = []

    @property
    def environment(self) -> dict[str, str]:
        """What clients find in their environment."""
        scheme, host = self.proxy.url.split("://")
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "SENTRY_DSN": f"{scheme}://{KEY}@{host}/1",
            "SENTRY_URL": self.proxy.url,
            "SENTRY_AUTH_TOKEN": TOKEN,
            "SENTRY_ORG": "resumatch",
            "SENTRY_PROJECT": "app",
            "SENTRY_SERVER": "app-1",
        }

    def run(
        self,
        label: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        status: int = 0,
    ) -> str:
        """Run a client to its end; return what it printed.

        Args:
            label: Of what it sends.
            command: With absolute paths; it runs in an empty folder.
            environment: Beside what every client finds there.
            status: With which it ends, if all is well.

        Raises:
            AssertionError: If it ends in another way, has sent nothing, or something names this
                machine.
        """
        self.proxy.label = label
        begin = len(self.proxy.requests)
        done = subprocess.run(
            list(command),
            env={**self.environment, **(environment or {})},
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_RUN_SECONDS,
            check=False,
        )
        assert done.returncode == status, f"{label} has ended with {done.returncode}: {done.stderr}"
        self.keep(self.proxy.requests[begin:])
        return done.stdout

    def keep(self, requests: Sequence[Recorded]) -> None:
        """Keep requests that came through the proxy.

        Raises:
            AssertionError: If there are none, or one names this machine.
        """
        assert requests, f"{self.proxy.label} has sent nothing"
        cleaned = [self._clean(each) for each in requests]
        leaks = [leak for each in cleaned for leak in find_leaks(each.body, self._folder)]
        assert not leaks, f"{self.proxy.label} names this machine: {leaks[:5]}"
        self._requests += cleaned

    def _clean(self, request: Recorded) -> Recorded:
        encoding = request.headers.get("content-encoding", "")
        body = _UNPACK[encoding](request.body) if encoding else request.body
        cleaned = clean_body(body, self._replacements, is_envelope=request.is_envelope)
        return replace(request, body=cleaned)

    @property
    def requests(self) -> Sequence[Recorded]:
        """What is kept."""
        return self._requests


@contextmanager
def record(
    name: str, *, fresh: bool = True, config: str = _CONFIG, beside: Sequence[Path] = ()
) -> Generator[Recording]:
    """Record clients, and write the file `name` of the corpus at the end, if nothing failed.

    Args:
        name: Without folder and suffix.
        fresh: Begin a new file instead of adding to the one that is there.
        config: Of the monitor; `_CONFIG` has project 1, `app`, with `KEY`.
        beside: Further folders whose paths are replaced.
    """
    path = FOLDER / f"{name}.ndjson.xz"
    before = [] if fresh or not path.exists() else list(read_file(path))
    with (
        tempfile.TemporaryDirectory(prefix="monitor-") as data,
        tempfile.TemporaryDirectory(prefix="app-") as folder,
        run_monitor(Path(data), config=config) as monitor,
        run_proxy(monitor.url) as proxy,
    ):
        recording = Recording(monitor, proxy, Path(folder), beside)
        yield recording
        write_file(path, [*before, *recording.requests])
    envelopes = sum(each.is_envelope for each in recording.requests)
    others = len(recording.requests) - envelopes
    size = path.stat().st_size
    sys.stdout.write(f"{path.name}: {envelopes} envelopes, {others} others; {size} bytes\n")


def main() -> None:
    """Record one command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="of the file in tests/corpus")
    parser.add_argument("--label", help="of the requests; the command's name by itself")
    parser.add_argument("--append", action="store_true", help="to the file that is there")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    label = arguments.label or Path(arguments.command[0]).name
    with record(arguments.name, fresh=not arguments.append) as recording:
        sys.stdout.write(recording.run(label, arguments.command))


if __name__ == "__main__":
    main()
