"""The command `drill`: proves alerts of a running monitor."""

import argparse
import asyncio
import os
import sys
from typing import Any, cast
from urllib.parse import quote, urlsplit

import httpx

from resumatch_monitor.kit.clock import Clock, SystemClock
from resumatch_monitor.kit.http import build_client

_TIMEOUT_SECONDS = 30.0
_LOOK_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 6 * 3600.0


class DrillFailedError(Exception):
    """The monitor does not do it; the message says why, in words."""


def prepare(parser: argparse.ArgumentParser, *, url: str, token_variable: str) -> None:
    """Give the command its arguments."""
    parser.add_argument("alert", metavar="ALERT", help="the name of an alerting rule, or all")
    parser.add_argument("--url", default=url, help="the monitor; default: %(default)s")
    parser.add_argument(
        "--token", default=None, help=f"an editor's token; better given in {token_variable}"
    )
    parser.add_argument(
        "--page", action="store_true", help="page people as well: without it pagers are spared"
    )
    parser.add_argument(
        "--real-time",
        action="store_true",
        help="let `for` pass in real time, not on a shadow clock",
    )
    parser.set_defaults(run=_run, token_variable=token_variable)


def _run(options: argparse.Namespace) -> int:
    token = options.token or os.environ.get(options.token_variable, "")
    body = {"alert": options.alert, "page": options.page, "real_time": options.real_time}
    try:
        drills = asyncio.run(drill(body, url=options.url, token=token, clock=SystemClock()))
    except DrillFailedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    passed = sum(bool(each["is_passed"]) for each in drills)
    sys.stdout.write(f"{passed} of {len(drills)} passed.\n")
    return 0 if passed == len(drills) else 1


async def drill(
    body: dict[str, Any], *, url: str, token: str, clock: Clock
) -> list[dict[str, Any]]:
    """Begin drills, tell of each when it is over, and return them.

    Raises:
        DrillFailedError: If the monitor cannot be reached or refuses.
    """
    base = url.rstrip("/")
    client = build_client(timeout_seconds=_TIMEOUT_SECONDS, allowed_hosts=[_find_host(base)])
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    place = f"{base}/api/monitor/drills"
    finished: list[dict[str, Any]] = []
    async with client:
        answer = await _ask(client, "POST", place, headers, body)
        deadline = clock.monotonic() + _LONGEST_WAIT_SECONDS
        for item in answer["items"]:
            address = f"{place}/{quote(item['id'], safe='')}"
            current = item
            while current["finished_at"] is None:
                if clock.monotonic() > deadline:
                    raise DrillFailedError("The drills take too long.")
                await clock.sleep(_LOOK_SECONDS)
                current = await _ask(client, "GET", address, headers, None)
            sys.stdout.write(render(current))
            sys.stdout.flush()
            finished.append(current)
    return finished


def render(drill: dict[str, Any]) -> str:
    """Render a drill that is over, some lines."""
    report = drill["report"]
    word = "passed" if drill["is_passed"] else "FAILED"
    lines = [f"{drill['alert']}: {word}"]
    fired = report.get("fired_after_seconds")
    if fired is not None:
        clock = "" if report.get("clock") == "real" else " (on a shadow clock)"
        lines.append(f"  fired after {fired:g} s{clock}; {report['method_text']}")
    for each in report.get("deliveries", []):
        where = f"{each['receiver']}/{each['integration']} {each['destination']}"
        seconds = each["delivered_after_seconds"]
        if seconds is None:
            lines.append(f"  {each['status']}: {where}")
        else:
            words = f": {each['words']}" if each["words"] else ""
            lines.append(f"  delivered after {seconds:.2f} s: {where}{words}")
    lines += [f"  spared: {each}" for route in report.get("routes", []) for each in route["spared"]]
    lines += [f"  listed in a digest: {each}" for each in report.get("digests", [])]
    muted = report.get("would_be_muted")
    if muted:
        lines.append(f"  would be held back now: {muted['text']}")
    lines += [f"  problem: {each}" for each in report.get("problems", [])]
    return "".join(f"{line[:1000]}\n" for line in (" ".join(each.splitlines()) for each in lines))


async def _ask(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    headers: dict[str, str],
    body: dict[str, Any] | None,
) -> dict[str, Any]:
    try:
        response = await client.request(method, url, headers=headers, json=body)
        document = response.json()
    except httpx.HTTPError as error:
        raise DrillFailedError(f"{url} cannot be reached: {error}") from None
    except ValueError:
        raise DrillFailedError(f"{url} does not answer as a monitor does.") from None
    if response.is_success and isinstance(document, dict):
        return cast("dict[str, Any]", document)
    try:
        message = document["error"]["message"]
    except (KeyError, TypeError):
        message = f"status {response.status_code}"
    raise DrillFailedError(f"The monitor refuses: {message}")


def _find_host(base: str) -> str:
    try:
        parts = urlsplit(base)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts.hostname
    except ValueError:
        pass
    raise DrillFailedError(f"{base!r} is no address; write for example http://127.0.0.1:9700")
