"""With what somebody used the application, as contexts and tags of the event."""

from typing import Any

import pytest

from resumatch_monitor.errortracking.clients import add_client
from resumatch_monitor.errortracking.grouping.registry import GROUPERS
from resumatch_monitor.errortracking.normalise import normalise
from resumatch_monitor.errortracking.user_agents import UserAgents
from tests.support.errors import make_event

_SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)
_FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"
_BROWSER = {"name": "Mobile Safari", "version": "17.5", "type": "browser"}
_OS = {"name": "iOS", "version": "17.5.1", "type": "os"}
_DEVICE = {"family": "iPhone", "brand": "Apple", "model": "iPhone", "type": "device"}


@pytest.fixture(scope="module")
def agents() -> UserAgents:
    return UserAgents()


def make_page_event(headers: object = None, **over: Any) -> dict[str, Any]:
    request = {"url": "https://shop.test/"} | ({} if headers is None else {"headers": headers})
    return make_event(platform="javascript", request=request, **over)


def read_tags(event: dict[str, Any]) -> dict[str, str]:
    names = ("browser", "os", "client_os", "device")
    tags = dict(normalise(event).tags)
    return {key: value for key, value in tags.items() if key.split(".")[0] in names}


@pytest.mark.parametrize(
    "headers", [{"user-agent": _SAFARI}, [["Referer", "/"], ["User-Agent", _SAFARI]]]
)
def test_an_event_of_a_page_says_with_what_it_was_seen(agents: UserAgents, headers: object) -> None:
    event = make_page_event(headers)

    found = add_client(event, "", agents)

    assert "contexts" not in event
    assert found["contexts"] == {"browser": _BROWSER, "os": _OS, "device": _DEVICE}
    assert read_tags(found) == {
        "browser": "Mobile Safari 17.5",
        "browser.name": "Mobile Safari",
        "os": "iOS 17.5.1",
        "os.name": "iOS",
        "device": "iPhone",
        "device.family": "iPhone",
    }


def test_what_the_sdk_says_stays(agents: UserAgents) -> None:
    stated = {"browser": {"name": "Kiosk"}, "os": {"name": "KioskOS", "version": "3"}, "app": {}}
    event = make_page_event({"User-Agent": _SAFARI}, contexts=stated, tags={"device": "till 4"})

    found = add_client(event, "", agents)

    assert found["contexts"] == {**stated, "device": _DEVICE}
    assert read_tags(found)["browser"] == read_tags(found)["browser.name"] == "Kiosk"
    assert read_tags(found)["os"] == "KioskOS 3"
    assert read_tags(found)["device"] == "till 4"


def test_who_asked_a_server_has_a_system_of_his_own(agents: UserAgents) -> None:
    system = {"name": "Linux", "version": "6.8"}
    event = make_event(
        contexts={"os": system}, request={"headers": {"User-Agent": _SAFARI}}, tags=[]
    )

    found = add_client(event, _FIREFOX, agents)

    assert found["contexts"]["os"] == system
    assert found["contexts"]["client_os"] == _OS
    tags = read_tags(found)
    assert (tags["os"], tags["os.name"]) == ("Linux 6.8", "Linux")
    assert (tags["client_os"], tags["client_os.name"]) == ("iOS 17.5.1", "iOS")


@pytest.mark.parametrize(
    ("headers", "platform", "browser"),
    [
        (None, "javascript", "Firefox"),
        ({"Referer": "/"}, "javascript", "Firefox"),
        ({"User-Agent": _SAFARI}, "javascript", "Mobile Safari"),
        (None, "node", None),
    ],
)
def test_a_request_stands_in_for_an_event_of_a_browser_alone(
    agents: UserAgents, headers: object, platform: str, browser: str | None
) -> None:
    event = {**make_page_event(headers), "platform": platform}

    assert read_tags(add_client(event, _FIREFOX, agents)).get("browser.name") == browser


@pytest.mark.parametrize(
    "over",
    [
        {"contexts": "none"},
        {"request": {"headers": {"User-Agent": ["a"]}}},
        {"request": {"headers": {"User-Agent": "nobody knows me"}}},
        {"request": "GET /"},
        {"request": {"headers": [["User-Agent"]]}},
    ],
)
def test_what_cannot_be_read_is_left_as_it_is(agents: UserAgents, over: dict[str, Any]) -> None:
    event = {**make_page_event(), **over}

    assert add_client(event, "", agents) is event


@pytest.mark.parametrize("version", GROUPERS)
def test_issues_are_the_same_with_whatever_they_are_met(agents: UserAgents, version: int) -> None:
    group = GROUPERS[version]
    met = [
        add_client(make_page_event({"User-Agent": text}), "", agents)
        for text in (_SAFARI, _FIREFOX)
    ]

    keys = {group(normalise(event)).key for event in (make_page_event(), *met)}

    assert len(keys) == 1
