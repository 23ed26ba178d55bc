"""With what somebody used the application, told by the browser's `User-Agent`, as contexts."""

from typing import Any

from resumatch_monitor.errortracking.user_agents import Client, Named, UserAgents
from resumatch_monitor.sentry.user_agents import find_user_agent, is_of_browser
from resumatch_monitor.sentry.values import as_dict, is_dict


def add_client(event: dict[str, Any], senders_browser: str, agents: UserAgents) -> dict[str, Any]:
    """Return an event with the contexts that its `User-Agent` tells.

    A context that the SDK set stays as it is. The operating system of who asked a server stands
    as `client_os`, beside the server's own; for a browser's event there is but one.

    Args:
        event: As it was sent; it is not changed.
        senders_browser: The `User-Agent` of the request that brought it, if a browser sent it and
            it does not say so itself.
        agents: Reads it.
    """
    user_agent = find_user_agent(event) or (senders_browser if is_of_browser(event) else "")
    stated = event.get("contexts")
    if not user_agent or not (stated is None or is_dict(stated)):
        return event
    contexts = as_dict(stated)
    system = "os" if is_of_browser(event) else "client_os"
    found = _render(agents.read(user_agent), system)
    missing = {name: context for name, context in found.items() if not contexts.get(name)}
    return {**event, "contexts": {**contexts, **missing}} if missing else event


def _render(client: Client, system: str) -> dict[str, dict[str, str]]:
    contexts: dict[str, dict[str, str]] = {}
    if client.browser is not None:
        contexts["browser"] = _render_named(client.browser, "browser")
    if client.os is not None:
        contexts[system] = _render_named(client.os, "os")
    device = client.device
    if device is not None:
        parts = {"family": device.family, "brand": device.brand, "model": device.model}
        contexts["device"] = {key: part for key, part in parts.items() if part} | {"type": "device"}
    return contexts


def _render_named(named: Named, kind: str) -> dict[str, str]:
    version = {"version": named.version} if named.version else {}
    return {"name": named.name, **version, "type": kind}
