"""Where it stands what a browser calls itself: in an event, else in the request that brought it."""

from typing import Any

from resumatch_monitor.sentry.values import as_dict, as_text, list_of_pairs

USER_AGENT_HEADER = "user_agent"
"""Under which name the door hands it on in a record's headers."""

_TEXT_MAX = 2_000
_HEADERS_MAX = 100
_BROWSER_PLATFORM = "javascript"
# Other programs that run JavaScript (Deno, React Native) do not begin so, browsers all do.
_BROWSERS_BEGIN = ("Mozilla/", "Opera/")


def find_user_agent(event: dict[str, Any]) -> str:
    """Return the `User-Agent` of the request that an event is about; empty if it states none."""
    headers = list_of_pairs(as_dict(event.get("request")).get("headers"))
    for name, value in headers[:_HEADERS_MAX]:
        if name.lower() == "user-agent":
            return as_text(value)[:_TEXT_MAX]
    return ""


def is_of_browser(event: dict[str, Any]) -> bool:
    """Tell whether a browser itself sent an event, so that its request tells the user's browser.

    What a server's SDK calls itself says nothing about whoever asked the server.
    """
    return as_text(event.get("platform")) == _BROWSER_PLATFORM


def find_senders_browser(event: dict[str, Any], user_agent: str) -> str:
    """Return the browser that sent an event which does not say so itself; empty if none did.

    Args:
        event: As it was sent.
        user_agent: Of the request that brought it.
    """
    if not user_agent.startswith(_BROWSERS_BEGIN) or not is_of_browser(event):
        return ""
    return "" if find_user_agent(event) else user_agent
