"""A mail as people see it: in the narrow window of a phone and in a wide one, light and dark."""

import base64
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.diagnosis.chart import HEIGHT, WIDTH, Line, Picture, draw_chart
from resumatch_monitor.notify.context import ActionUrls
from resumatch_monitor.notify.diagnosis import Chart, Diagnosis, Fact
from resumatch_monitor.notify.email.message import EmailRenderer
from resumatch_monitor.notify.wording import Links
from tests.acceptance.browser import VARIANTS, Variant, launch, open_context
from tests.acceptance.conftest import OUTPUT
from tests.dispatch.builders import make_alert
from tests.notify.catchers import make_notification

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.timeout(120)]

_LEAST_BUTTON_PX = 36


class _Signed:
    def urls(self, alert: Alert, recipient: str) -> ActionUrls:
        return ActionUrls(*(f"https://m.example.org/act/{n}" for n in range(4)))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as browser:
        yield browser


def _draw() -> bytes:
    times = [1_767_610_800_000 + 60_000 * minute for minute in range(120)]
    line = Line([0.01] * 60 + [0.12] * 60, is_main=True)
    return draw_chart(Picture(times, [line], 0.05, (times[62], times[-1])))


def _render(png: bytes) -> str:
    alerts = [
        make_alert(
            "HighErrorRateOfTheBackEnd",
            instance="a-very-long-name-without-any-blank.eu-west-1.compute.internal:9100",
            annotations={"summary": "12 % of requests fail", "runbook": "1. Look\n2. Roll back"},
        ),
        make_alert("Other", team="b"),
    ]
    diagnosis = Diagnosis(
        facts=(Fact("Threshold", "above 0.05"), Fact("Last release", "2.1.0, 4 min before", "/")),
        todo="Look at what release 2.1.0 changed.",
        chart=Chart(png, WIDTH, HEIGHT, "The expression of the last hour"),
    )
    renderer = EmailRenderer(
        sender="monitor@example.org", links=Links("https://m.example.org"), actions=_Signed()
    )
    message = renderer.render(make_notification(*alerts), ("ada@example.org",), diagnosis)
    html, image = message.get_body(("html",)), None
    assert html is not None
    for part in message.walk():
        if part.get_content_type() == "image/png":
            image = part
    assert image is not None
    inline = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    text: str = html.get_content()
    return text.replace(f"cid:{image['Content-ID'][1:-1]}", inline)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_mail_is_read_and_acted_on_in_any_window(variant: Variant, browser: Browser) -> None:
    context = open_context(browser, variant)
    page = context.new_page()
    try:
        page.set_content(_render(_draw()))
        page.screenshot(path=OUTPUT / "pages" / f"mail-{variant}.png", full_page=True)
        overflow = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        buttons = [
            page.get_by_role("link", name=name).first.bounding_box()
            for name in ("Acknowledge", "Snooze 1 h", "Silence", "Resolve", "Look at it")
        ]
        picture = page.locator("img").first.bounding_box()
    finally:
        context.close()

    assert overflow <= 0, "the mail scrolls sideways"
    assert all(box is not None and box["height"] >= _LEAST_BUTTON_PX for box in buttons)
    assert picture is not None
    assert 200 < picture["width"] <= variant.width
