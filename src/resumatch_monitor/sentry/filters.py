"""What is not worth keeping: errors of extensions and robots, health checks, what people name."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from resumatch_monitor.kit.regex import Regex
from resumatch_monitor.sentry.settings import FilterSettings
from resumatch_monitor.sentry.user_agents import find_user_agent, is_of_browser
from resumatch_monitor.sentry.values import as_dict, as_list, as_text, list_of_values

_TEXT_MAX = 2_000
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 - not bound to

_EXTENSION_SCHEME = re.compile(
    r"^(?:[a-z]+(?:-[a-z]+)?-extension|extension|chrome|resource)://", re.IGNORECASE
)
_EXTENSION_HOST = re.compile(
    r"^https?://(?:[\w.-]+\.)?(?:kaspersky-labs\.com|texthelp\.com|woopra\.com|superfish\.com"
    r"|widdit\.com|epicplay\.com)(?:[/:]|$)|/extensions?/[\w-]+/content[-_]?script",
    re.IGNORECASE,
)
_EXTENSION_MESSAGE = re.compile(
    r"top\.GLOBALS|originalCreateNotification|canvas\.contentDocument|MyApp_RemoveAllHighlights"
    r"|ZiteReader|jigsaw is not defined|ComboSearch is not defined|atomicFindClose"
    r"|bmi_SafeAddOnload|EBCallBackMessageReceived|conduitPage|_avast_submit|__gCrWeb\b"
    r"|instantSearchSDKJSBridgeClearHighlight|Extension context invalidated"
)
_CRAWLER = re.compile(
    r"(?<!cu)bots?(?:[/\s);+]|$)|crawler|spider|slurp|mediapartners-google|feedfetcher|ia_archiver"
    r"|facebookexternalhit|meta-externalagent|bingpreview|pingdom|uptimerobot|headlesschrome/.*"
    r"lighthouse|gtmetrix|python-requests/.*scan|apis-google|duckduckgo-favicons",
    re.IGNORECASE,
)
_HEALTH_CHECK = re.compile(
    r"health[-_]?check|heart[-_]?beat|(?:^|[/ ])_?(?:health|healthy|healthz|live|livez|ready|readyz"
    r"|ping|up)/?$",
    re.IGNORECASE,
)

_CSP_SOURCES = ("blocked-uri", "source-file")


class EventFilter:
    """The filters of one project."""

    def __init__(self, settings: FilterSettings) -> None:
        self.settings = settings
        self._releases = _compile(settings.releases)
        self._messages = _compile(settings.messages)

    def find_reason(
        self,
        event: dict[str, Any],
        *,
        is_transaction: bool = False,
        user_agent: str = "",
        client_address: str = "",
    ) -> str | None:
        """Return why an event is dropped, in Sentry's words; None if it is kept.

        Args:
            event: As it was sent.
            is_transaction: Whether it is a transaction and not an error.
            user_agent: Of the request that brought it, which of a browser is the user's own.
            client_address: Where it came from.
        """
        settings = self.settings
        if _any_matches(self._releases, as_text(event.get("release"))):
            return "release-version"
        if settings.localhost and _is_local(event, client_address):
            return "localhost"
        if is_transaction:
            name = as_text(event.get("transaction"))[:_TEXT_MAX]
            return self.find_reason_of_name(name)
        if settings.web_crawlers and _CRAWLER.search(_name_agent(event, user_agent)):
            return "web-crawlers"
        if settings.browser_extensions and _is_of_extension(event):
            return "browser-extensions"
        if self._messages and any(
            _any_matches(self._messages, text) for text in _find_messages(event)
        ):
            return "error-message"
        return None

    def find_reason_of_name(self, name: str) -> str | None:
        """Return why a transaction, or a segment of spans, of that name is dropped."""
        is_dropped = self.settings.health_checks and bool(_HEALTH_CHECK.search(name))
        return "filtered-transaction" if is_dropped else None


def _compile(globs: Sequence[str]) -> list[Regex]:
    return [Regex("(?is)" + _translate(glob)) for glob in globs]


def _translate(glob: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(each) or re.escape(each) for each in glob)


def _any_matches(patterns: Sequence[Regex], text: str) -> bool:
    return bool(text) and any(each.matches(text[:_TEXT_MAX]) for each in patterns)


def _is_local(event: dict[str, Any], client_address: str) -> bool:
    stated = as_text(as_dict(event.get("user")).get("ip_address"))
    address = client_address if stated in ("", "{{auto}}") else stated
    is_of_browser = as_text(event.get("platform")) == "javascript"
    if address in _LOCAL_HOSTS and (is_of_browser or stated not in ("", "{{auto}}")):
        return True
    try:
        url = as_text(as_dict(event.get("request")).get("url"))[:_TEXT_MAX]
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return host in _LOCAL_HOSTS or host.endswith(".localhost")


def _name_agent(event: dict[str, Any], user_agent: str) -> str:
    return find_user_agent(event) or (user_agent[:_TEXT_MAX] if is_of_browser(event) else "")


def _is_of_extension(event: dict[str, Any]) -> bool:
    if as_text(event.get("type")) == "csp":
        report = as_dict(as_dict(event.get("contexts")).get("csp"))
        return any(is_extension_source(as_text(report.get(name))) for name in _CSP_SOURCES)
    if as_text(event.get("platform")) not in ("javascript", "node", ""):
        return False
    exceptions = list_of_values(event.get("exception"))
    if not exceptions:
        return False
    raised = as_dict(exceptions[-1])
    if _EXTENSION_MESSAGE.search(as_text(raised.get("value"))[:_TEXT_MAX]):
        return True
    frames = as_list(as_dict(raised.get("stacktrace")).get("frames"))
    for frame in reversed(frames[-5:]):
        path = as_text(as_dict(frame).get("abs_path") or as_dict(frame).get("filename"))
        if path and not path.startswith("<") and path != "[native code]":
            # Where it was raised counts; that an extension has called the page is no fault of it.
            return is_extension_source(path)
    return False


def is_extension_source(url: str) -> bool:
    """Tell whether code at `url` is a browser extension's."""
    text = url[:_TEXT_MAX]
    return bool(_EXTENSION_SCHEME.search(text) or _EXTENSION_HOST.search(text))


def _find_messages(event: dict[str, Any]) -> list[str]:
    found = [
        as_text(event.get("message")),
        as_text(as_dict(event.get("logentry")).get("formatted")),
        as_text(as_dict(event.get("logentry")).get("message")),
    ]
    for each in list_of_values(event.get("exception"))[-5:]:
        raised = as_dict(each)
        value = as_text(raised.get("value"))
        found += [value, f"{as_text(raised.get('type'))}: {value}"]
    return found
