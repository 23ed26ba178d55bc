"""A page with the real @sentry/browser, on another origin than the monitor, and a person on it."""

import contextlib
import json
import threading
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response
from typing_extensions import override

from tests.support.npm import install_packages, run_node

JAVASCRIPT = Path(__file__).with_name("javascript")
CHROMIUM = Path("/usr/bin/chromium")
_SOURCES = JAVASCRIPT / "browser"
_BUNDLE_SECONDS = 60
_DEADLINE_MS = 30_000
_FINISH_SECONDS = 10


def bundle_shop(folder: Path, script: Path = _SOURCES / "app.js") -> None:
    """Make the page and its script in `folder`, from the installed packages."""
    install_packages(JAVASCRIPT)
    bundler = JAVASCRIPT / "node_modules" / ".bin" / "esbuild"
    arguments = ["--bundle", "--charset=utf8", f"--outfile={folder / 'app.js'}"]
    done = run_node([str(bundler), script.name, *arguments], script.parent, {}, _BUNDLE_SECONDS)
    assert done.returncode == 0, done.stdout
    (folder / "index.html").write_bytes((_SOURCES / "index.html").read_bytes())


@contextlib.contextmanager
def serve_shop(folder: Path, dsn: str, options: Mapping[str, Any]) -> Generator["Shop"]:
    """Serve the page of `folder` on a port of its own.

    Args:
        folder: What `bundle_shop` has made.
        dsn: Where the page sends its errors.
        options: For the SDK, beside its own.
    """
    script = f"window.shop = {json.dumps({'dsn': dsn, 'options': options})};".encode()
    shop = Shop(script)
    handler = partial(_Handler, shop=shop, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        shop.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield shop
        finally:
            server.shutdown()
            thread.join()


@dataclass(slots=True)
class Shop:
    """A served page; `trace_headers` are those with which its script asked its own server."""

    options_script: bytes
    url: str = ""
    trace_headers: list[str | None] = field(default_factory=list[str | None])


class _Handler(SimpleHTTPRequestHandler):
    """Serves the page, what it is told, and a price."""

    def __init__(self, *arguments: Any, shop: Shop, directory: str) -> None:
        self._shop = shop
        super().__init__(*arguments, directory=directory)

    @override
    def do_GET(self) -> None:
        if self.path == "/options.js":
            self._answer(self._shop.options_script, "text/javascript")
        elif self.path == "/price":
            self._shop.trace_headers.append(self.headers.get("sentry-trace"))
            self._answer(b"450", "text/plain")
        elif self.path == "/favicon.ico":
            self._answer(b"", "image/x-icon")
        else:
            super().do_GET()

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def end_headers(self) -> None:
        # Without it, browsers make no profiles.
        self.send_header("Document-Policy", "js-profiling")
        super().end_headers()

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@dataclass
class ShopVisit:
    """What a browser said about a visit: whatever it complained of, and what the SDK said."""

    complaints: list[str] = field(default_factory=list[str])
    thrown: list[str] = field(default_factory=list[str])
    sent: list[str] = field(default_factory=list[str])
    finished: int = 0
    is_leaving: bool = False
    told: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def watch(self, page: Page) -> None:
        """Note what the console says, and what is sent elsewhere."""
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.thrown.append(error.message))
        page.on("request", self._on_request)
        page.on("requestfinished", self._on_finish)
        page.on("requestfailed", self._on_failure)
        page.on("response", self._on_response)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console {message.type}: {message.text}")

    def _on_request(self, request: Request) -> None:
        if request.method != "GET":
            self.sent.append(f"{request.method} {request.url}")

    def _on_finish(self, request: Request) -> None:
        if request.method != "GET":
            self.finished += 1

    def _on_failure(self, request: Request) -> None:
        # What a page sends while it goes away, its browser does not report on.
        if not self.is_leaving:
            self.complaints.append(f"{request.url}: {request.failure}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status} of {response.url}")


def visit_shop(browser: Browser, shop: Shop) -> ShopVisit:
    """Do everything on the page that can be done there, and leave it.

    What a page sends while it goes away is on its way until the browser is closed, not longer.
    """
    visit = ShopVisit()
    context = browser.new_context(locale="en-GB", timezone_id="Europe/Berlin")
    context.set_default_timeout(_DEADLINE_MS)
    page = context.new_page()
    visit.watch(page)
    page.goto(shop.url)
    for name in ("Import", "Pay", "Refund"):
        page.get_by_role("button", name=name, exact=True).click()
    page.get_by_text("450").wait_for()
    _give_feedback(page)
    visit.told = page.evaluate("window.flush()")
    deadline = time.monotonic() + _FINISH_SECONDS
    while visit.finished < len(visit.sent) and time.monotonic() < deadline:
        page.wait_for_timeout(10)
    visit.is_leaving = True
    page.goto("about:blank")
    return visit


def _give_feedback(page: Page) -> None:
    page.get_by_role("button", name="Report a Bug").click()
    page.get_by_label("Name").fill("Bob")
    page.get_by_label("Email").fill("bob@example.org")
    page.get_by_label("Description").fill("Where is my tea?")
    page.get_by_role("button", name="Send Bug Report").click()
    page.get_by_text("Thank you for your report!").wait_for()
