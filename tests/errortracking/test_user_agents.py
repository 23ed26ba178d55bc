"""What browsers call themselves, and what those do who only pretend to be one."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.errortracking.user_agent_rules import load_matchers
from resumatch_monitor.errortracking.user_agents import TEXT_MAX, UserAgents

_KHTML = "AppleWebKit/537.36 (KHTML, like Gecko)"
_IOS = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_IPHONE = f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) {_IOS}"
_WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_KHTML} Chrome/126.0.0.0 Safari/537.36"


@pytest.fixture(scope="module")
def agents() -> UserAgents:
    return UserAgents()


@pytest.mark.parametrize(
    ("text", "browser", "system", "device"),
    [
        (_WINDOWS, "Chrome 126.0.0", "Windows >=10", None),
        (f"{_WINDOWS} Edg/126.0.2592.68", "Edge 126.0.2592", "Windows >=10", None),
        (f"{_WINDOWS} OPR/111.0.0.0", "Opera 111.0.0", "Windows >=10", None),
        (
            "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko",
            *("IE 11.0", "Windows 7", None),
        ),
        (
            f"Mozilla/5.0 (X11; Linux x86_64) {_KHTML} HeadlessChrome/126.0.0.0 Safari/537.36",
            *("HeadlessChrome 126.0.0", "Linux", None),
        ),
        (
            "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
            *("Firefox 127.0", "Ubuntu", None),
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:127.0) Gecko/20100101 Firefox/127.0",
            *("Firefox 127.0", "Mac OS X 10.15", ("Mac", "Apple", "Mac")),
        ),
        (
            f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_IOS} Version/17.5 Safari/605.1.15",
            *("Safari 17.5", "Mac OS X >=10.15.7", ("Mac", "Apple", "Mac")),
        ),
        (
            f"{_IPHONE} Version/17.5 Mobile/15E148 Safari/604.1",
            *("Mobile Safari 17.5", "iOS 17.5.1", ("iPhone", "Apple", "iPhone")),
        ),
        (
            f"{_IPHONE} CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1",
            *("Chrome Mobile iOS 126.0.6478", "iOS 17.5.1", ("iPhone", "Apple", "iPhone")),
        ),
        (
            f"{_IPHONE} FxiOS/127.0 Mobile/15E148 Safari/605.1.15",
            *("Firefox iOS 127.0", "iOS 17.5.1", ("iPhone", "Apple", "iPhone")),
        ),
        (
            f"Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) {_IOS} Version/16.6 Mobile/15E148"
            " Safari/604.1",
            *("Mobile Safari 16.6", "iOS 16.6", ("iPad", "Apple", "iPad")),
        ),
        (
            f"Mozilla/5.0 (Linux; Android 14; Pixel 8 Pro) {_KHTML} Chrome/126.0.6478.71 Mobile"
            " Safari/537.36",
            *("Chrome Mobile 126.0.6478", "Android 14", ("Pixel 8 Pro", "Google", "Pixel 8 Pro")),
        ),
        (
            f"Mozilla/5.0 (Linux; Android 13; SAMSUNG SM-S911B) {_KHTML} SamsungBrowser/25.0"
            " Chrome/121.0.0.0 Mobile Safari/537.36",
            *("Samsung Internet 25.0", "Android 13", ("Samsung SM-S911B", "Samsung", "SM-S911B")),
        ),
        (
            "Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0",
            "Firefox Mobile 127.0",
            "Android 14",
            ("Generic Smartphone", "Generic", "Smartphone"),
        ),
        (
            f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {_KHTML} Chrome/126.0.0.0 Safari/537.36",
            *("Chrome 126.0.0", "Chrome OS 14541.0.0", None),
        ),
        (
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            *("Googlebot 2.1", None, ("Spider", "Spider", "Desktop")),
        ),
        (
            "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
            *("bingbot 2.0", None, ("Spider", "Spider", "Desktop")),
        ),
        ("python-requests/2.31.0", "Python Requests 2.31", None, None),
        ("a dont no", None, None, None),
        ("", None, None, None),
    ],
)
def test_a_browser_is_known_by_what_it_calls_itself(
    agents: UserAgents,
    text: str,
    browser: str | None,
    system: str | None,
    device: tuple[str, str, str] | None,
) -> None:
    client = agents.read(text)

    assert (None if client.browser is None else str(client.browser)) == browser
    assert (None if client.os is None else str(client.os)) == system
    found = client.device
    assert (None if found is None else (found.family, found.brand, found.model)) == device


def test_no_more_of_a_text_is_read_than_browsers_send(agents: UserAgents) -> None:
    end = "Chrome/126.0.0.0 Safari/537.36"

    assert agents.read("." * (TEXT_MAX - len(end)) + end).browser is not None
    assert agents.read("." * TEXT_MAX + end).browser is None


_WORDS = (
    *("Mozilla/5.0", "(Linux;", "Android", "Galaxy", "Build/", "iPhone", "CPU OS", "Chrome/"),
    *("Version/", "Safari", "Windows NT", "Mac OS X", "; ", "))((", "9.9.9", "1_", "bot", "é"),
    "\ud800",
)


@given(
    st.one_of(
        st.text(max_size=700),
        st.lists(st.sampled_from(_WORDS), max_size=120).map("".join),
        st.tuples(st.sampled_from(_WORDS), st.integers(1, 400)).map(lambda each: each[0] * each[1]),
    )
)
def test_a_hostile_text_breaks_nothing(agents: UserAgents, text: str) -> None:
    client = agents.read(text)

    for named in (client.browser, client.os):
        assert named is None or (named.name and len(named.name) <= 100 >= len(named.version))


@pytest.mark.parametrize("word", _WORDS)
def test_the_time_of_a_text_does_not_explode(word: str, agents: UserAgents) -> None:
    text = (word * TEXT_MAX)[:TEXT_MAX]
    agents.read(text[:-1])
    began = time.process_time()

    agents.read(text)

    # It takes half a millisecond; an engine that goes back takes minutes, or for ever.
    assert time.process_time() - began < 1


def test_every_rule_is_one_that_re2_takes() -> None:
    rules = [rule for family in load_matchers() for rule in family]

    for rule in rules:
        rule("Mozilla/5.0")
    assert len(rules) > 1_000
