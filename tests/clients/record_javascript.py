"""Records the JavaScript SDKs and sentry-cli: `python -m tests.clients.record_javascript`."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.clients.browser import CHROMIUM, JAVASCRIPT, bundle_shop, serve_shop, visit_shop
from tests.clients.recorder import Recording, record
from tests.support.npm import find_program, install_packages
from tests.support.sentry_cli import find_sentry_cli
from tests.support.waiting import wait_for

_NODE: Mapping[str, Mapping[str, Any]] = {
    "streamed": {},
    "static": {"traceLifecycle": "static"},
    "streamed, no stacks": {"attachStacktrace": False, "maxBreadcrumbs": 1},
    "static, variables": {"traceLifecycle": "static", "includeLocalVariables": True},
    "no traces": {"tracesSampleRate": 0, "enableLogs": False},
}
_BROWSER: Mapping[str, Mapping[str, Any]] = {
    "streamed": {},
    "static": {"traceLifecycle": "static"},
    "tunnel": {"tunnel": True},
    "static, tunnel": {"traceLifecycle": "static", "tunnel": True},
    "profiles": {"profileLifecycle": "trace"},
}
_ENVELOPE = """\
{"event_id":"%(id)s"}
{"type":"event"}
{"event_id":"%(id)s","platform":"other","message":"from a file","level":"info"}
"""


def record_node(recording: Recording) -> None:
    """Record the shop on Express."""
    install_packages(JAVASCRIPT)
    shop = JAVASCRIPT / "node"
    instrument = (shop / "instrument.mjs").as_uri()
    for label, options in _NODE.items():
        recording.run(
            f"node {label}",
            [find_program("node"), "--import", instrument, str(shop / "app.mjs")],
            {"SENTRY_OPTIONS": json.dumps(options)},
        )


def record_browser(recording: Recording) -> None:
    """Record the page, with a visit for each way to set the SDK up."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        bundle_shop(folder)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for label, options in _BROWSER.items():
            if options.get("tunnel"):
                options = {**options, "tunnel": f"{recording.proxy.url}/tunnel"}
            recording.proxy.label = f"browser {label}"
            begin = len(recording.proxy.requests)

            def has_left(begin: int = begin) -> bool | None:
                sent = recording.proxy.requests[begin:]
                return any(b"left in a hurry" in each.body for each in sent) or None

            with serve_shop(folder, recording.environment["SENTRY_DSN"], options) as shop:
                visit = visit_shop(browser, shop)
                wait_for(has_left)
            assert visit.told["isFlushed"], label
            recording.keep(recording.proxy.requests[begin:])
        browser.close()


def record_cli(recording: Recording, folder: Path) -> None:
    """Record what sentry-cli sends as envelopes."""
    cli = find_sentry_cli()
    envelope, log = folder / "event.envelope", folder / "app.log"
    envelope.write_text(_ENVELOPE % {"id": "5ca1ab1e" * 4})
    log.write_text("the till is open\nthe till is stuck\n")
    common = ["-r", "till@2.0.0", "-E", "staging", "--no-environ", "-u", "id:user-17"]
    event = [*common, "-t", "plan:pro", "--logfile", str(log)]
    job = ["-e", "staging", "-s", "0 3 * * *", "--timezone", "Europe/Berlin", "nightly-report"]
    commands: Mapping[str, list[str]] = {
        "send-event": ["send-event", "-m", "the till is stuck", "-a", "now", *event],
        "send-event level": ["send-event", "-m", "too %s", "-a", "hot", "-l", "fatal", *common],
        "send-envelope": ["send-envelope", "--raw", str(envelope)],
        "monitors run": ["monitors", "run", *job, "--", "true"],
    }
    for label, command in commands.items():
        recording.run(f"sentry-cli {label}", [cli, *command])


def main() -> None:
    """Record all of them."""
    with tempfile.TemporaryDirectory() as folder, record("javascript") as recording:
        record_node(recording)
        record_browser(recording)
        record_cli(recording, Path(folder))


if __name__ == "__main__":
    main()
