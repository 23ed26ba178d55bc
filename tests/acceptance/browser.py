"""Headless Chromium, and everything that it complains about."""

import json
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    CDPSession,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    Response,
    StorageState,
    expect,
    sync_playwright,
)

from resumatch_monitor import ui

_ROOT = Path(__file__).parents[2]
CHROMIUM = Path("/usr/bin/chromium")
AXE = _ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
_DEADLINE_MS = 30_000
_GRAVE = ("serious", "critical")
_RUN_AXE = """async () => {
  const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
  return JSON.stringify(violations.map(({ id, impact, help, nodes }) =>
    ({ id, impact, help, nodes: nodes.slice(0, 5).map((node) => node.html.slice(0, 200)) })));
}"""
_WAIT_UNTIL_DRAWN = """async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  // Observers of sizes speak after the first frame; what they change is in the second.
  await frame();
  await frame();
  const moving = document.getAnimations().filter((each) => each instanceof CSSTransition);
  await Promise.allSettled(moving.map((each) => each.finished));
}"""
_TELL_VIOLATIONS = """
addEventListener('securitypolicyviolation', (event) =>
  console.error(`CSP: ${event.violatedDirective} forbids ${event.blockedURI}`));
"""


@dataclass(frozen=True, slots=True)
class Variant:
    """A screen and a theme."""

    width: int
    height: int
    theme: Literal["dark", "light"]

    def __str__(self) -> str:
        return f"{self.width}x{self.height}-{self.theme}"

    @property
    def has_touch(self) -> bool:
        """Whether it is a phone's."""
        return self.width < 500


@dataclass
class Visit:
    """A page that is watched while it is open."""

    page: Page
    host: str
    complaints: list[str] = field(default_factory=list[str])
    # What a session has emulated ends with it.
    _emulation: CDPSession | None = None

    def watch(self) -> None:
        """Note errors on the console, in the page, in answers, and requests to other hosts."""
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        self.page.on("request", self._on_request)
        self.page.on("response", self._on_response)

    def open(self, url: str) -> None:
        """Go to `url` and wait until the page shows what it is about."""
        self.page.goto(url)
        self.settle()

    def turn_into(self, variant: Variant) -> None:
        """Change the screen and the theme under the page, whether one is open or not."""
        self.page.set_viewport_size({"width": variant.width, "height": variant.height})
        self.page.emulate_media(color_scheme=variant.theme)
        if self._emulation is None:
            self._emulation = self.page.context.new_cdp_session(self.page)
        touch = {"enabled": variant.has_touch}
        self._emulation.send("Emulation.setTouchEmulationEnabled", touch)  # pyright: ignore[reportUnknownMemberType]
        self.page.evaluate(_WAIT_UNTIL_DRAWN)

    def settle(self) -> None:
        """Wait until nothing is loading any more."""
        expect(self.page.get_by_role("heading", level=1)).not_to_be_empty()
        expect(self.page.locator(".skeleton")).to_have_count(0)
        expect(self.page.locator("header .fresh", has_text="Loading")).to_have_count(0)

    def check(self) -> None:
        """Fail if there was anything to complain about."""
        assert self.complaints == []

    def find_barriers(self) -> list[dict[str, Any]]:
        """Return what axe-core finds serious or critical."""
        self.check()
        noted = len(self.complaints)
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text())
        found = cast("list[dict[str, Any]]", json.loads(self.page.evaluate(_RUN_AXE)))
        # What axe itself does is no fault of the page.
        del self.complaints[noted:]
        return [each for each in found if each["impact"] in _GRAVE]

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console {message.type}: {message.text}")

    def _on_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != self.host:
            self.complaints.append(f"request to another host: {request.url[:200]}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status} of {response.url[:200]}")


DESKTOP, PHONE = (1440, 900), (390, 844)
VARIANTS = [
    Variant(width, height, theme)
    for width, height in (DESKTOP, PHONE)
    for theme in ("dark", "light")
]
_TOUR = (VARIANTS[2], VARIANTS[3], VARIANTS[1], VARIANTS[0])
"""All of them with the fewest changes, the phone first: what it must do is the harder."""


@contextmanager
def launch() -> Generator[Browser]:
    """Yield the machine's Chromium; skip, or in CI fail, where there is none."""
    _require(CHROMIUM, "Chromium is not installed at /usr/bin/chromium")
    _require(Path(ui.__file__).parent / "dist" / "index.html", "the web UI is not built: make web")
    _require(AXE, "axe-core is not installed: make web")
    expect.set_options(timeout=_DEADLINE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            # Root has no sandbox; what is opened is our own.
            args=["--no-sandbox"] if os.geteuid() == 0 else [],
        )
        try:
            yield browser
        finally:
            browser.close()


def _require(path: Path, complaint: str) -> None:
    if path.exists():
        return
    if os.environ.get("CI") == "true":
        pytest.fail(complaint)
    pytest.skip(complaint)


def open_context(
    browser: Browser, variant: Variant, *, session: StorageState | None = None
) -> BrowserContext:
    """Return a context in which every page has the variant's screen and theme."""
    context = browser.new_context(
        viewport={"width": variant.width, "height": variant.height},
        color_scheme=variant.theme,
        has_touch=variant.has_touch,
        storage_state=session,
        locale="en-GB",
        timezone_id="Europe/Berlin",
    )
    context.set_default_timeout(_DEADLINE_MS)
    context.add_init_script(_TELL_VIOLATIONS)
    return context


@contextmanager
def visit(context: BrowserContext, url: str) -> Generator[Visit]:
    """Yield a watched page of the monitor at `url`, closed afterwards."""
    page = context.new_page()
    visit = Visit(page, urlsplit(url).netloc)
    visit.watch()
    try:
        yield visit
    finally:
        page.close()


def sign_in(visit: Visit, url: str, *, email: str, password: str) -> None:
    """Fill in the sign-in page as a person does."""
    visit.page.goto(url)
    visit.page.get_by_label("E-mail").fill(email)
    visit.page.get_by_label("Password").fill(password)
    visit.page.get_by_role("button", name="Sign in").click()
    visit.settle()


@contextmanager
def signed_in(
    browser: Browser, url: str, *, email: str, password: str
) -> Generator[BrowserContext]:
    """Yield the context of somebody who has signed in at a desktop."""
    context = open_context(browser, VARIANTS[0])
    try:
        with visit(context, url) as visited:
            sign_in(visited, url, email=email, password=password)
            visited.check()
        yield context
    finally:
        context.close()


@contextmanager
def look_at(context: BrowserContext, url: str) -> Generator[Visit]:
    """Yield a watched page on a phone, with `url` open in it, for `check_looks`."""
    with visit(context, url) as visited:
        visited.turn_into(_TOUR[0])
        visited.open(url)
        yield visited


def check_looks(
    visited: Visit,
    picture: Path,
    *,
    variants: Sequence[Variant] = _TOUR,
    sign: Locator | None = None,
) -> None:
    """Check the look of the open page on every screen and in every theme.

    Opening a page costs several times what looking at it does, so it is changed in place.

    Args:
        visited: What `look_at` yields; it is left as the phone that it was.
        picture: Where its pictures go; each has its variant's name behind the stem.
        variants: In which order.
        sign: What has to be in sight in each of them.
    """
    for variant in variants:
        visited.turn_into(variant)
        expect(visited.page.locator(".skeleton")).to_have_count(0)
        if sign is not None:
            expect(sign).to_be_visible()
        check_look(visited, picture.with_stem(f"{picture.stem}-{variant}"))
    visited.turn_into(_TOUR[0])


def check_look(visited: Visit, picture: Path) -> None:
    """Take a picture of the page; fail if it scrolls sideways, complains, or has barriers."""
    visited.page.screenshot(path=picture)
    overflow = visited.page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0, f"{picture.stem} scrolls sideways"
    assert visited.find_barriers() == [], picture.stem
