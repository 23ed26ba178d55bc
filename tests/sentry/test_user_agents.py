from typing import Any

import pytest

from resumatch_monitor.sentry.user_agents import find_senders_browser

_CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0"


@pytest.mark.parametrize(
    ("event", "user_agent", "expected"),
    [
        ({"platform": "javascript"}, _CHROME, _CHROME),
        ({"platform": "javascript", "request": {"headers": {"Referer": "/"}}}, _CHROME, _CHROME),
        ({"platform": "javascript", "request": {"headers": {"user-agent": "x"}}}, _CHROME, ""),
        ({"platform": "python"}, _CHROME, ""),
        ({}, _CHROME, ""),
        ({"platform": "javascript"}, "Deno/2.1", ""),
        ({"platform": "javascript"}, "", ""),
    ],
)
def test_a_request_names_the_browser_of_an_event_that_does_not(
    event: dict[str, Any], user_agent: str, expected: str
) -> None:
    assert find_senders_browser(event, user_agent) == expected
