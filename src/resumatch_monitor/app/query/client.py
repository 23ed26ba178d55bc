"""Asks a server that speaks Prometheus' HTTP API."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import orjson

from resumatch_monitor.app.query.result import Point, QueryResult, ResultSeries
from resumatch_monitor.app.query.times import Question
from resumatch_monitor.kit.http import build_client

_LARGEST_ANSWER_BYTES = 256 * 1024 * 1024
_TIMEOUT_SECONDS = 130.0
"""Longer than Prometheus itself lets a query take."""


class QueryFailedError(Exception):
    """There is no answer; the message says why, in words."""


async def fetch(
    question: Question,
    *,
    url: str,
    token: str,
    transport: httpx.AsyncBaseTransport | None = None,
) -> QueryResult:
    """Ask the server at `url`.

    Args:
        question: What to ask.
        url: Where the server is, without `/api/v1`.
        token: Sent as a bearer token; empty for none.
        transport: The network, or what stands for it.

    Raises:
        QueryFailedError: If there is no answer.
    """
    base = url.rstrip("/")
    # Who names a host on the command line means it, also a link-local one.
    host = _find_host(base)
    client = build_client(
        timeout_seconds=_TIMEOUT_SECONDS, allowed_hosts=[host], transport=transport
    )
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    path, form = _render_request(question)
    async with client:
        try:
            async with client.stream(
                "POST", f"{base}/api/v1/{path}", data=form, headers=headers
            ) as response:
                body = await _read(response)
        except httpx.TimeoutException:
            raise QueryFailedError(f"{base} has not answered in time.") from None
        except httpx.HTTPError as error:
            raise QueryFailedError(f"{base} cannot be reached: {error}") from None
    return _parse_answer(base, response.status_code, body)


def _find_host(base: str) -> str:
    try:
        parts = urlsplit(base)
        # Reading the port checks it.
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts.hostname
    except ValueError:
        pass
    raise QueryFailedError(f"{base!r} is no address; write for example http://127.0.0.1:9700")


def _render_request(question: Question) -> tuple[str, dict[str, str]]:
    form = {"query": question.expr}
    if question.step_ms is None:
        return "query", {**form, "time": _seconds(question.start_ms)}
    return "query_range", {
        **form,
        "start": _seconds(question.start_ms),
        "end": _seconds(question.end_ms),
        "step": _seconds(question.step_ms),
    }


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.3f}"


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _LARGEST_ANSWER_BYTES:
            raise QueryFailedError(
                f"The answer is larger than {_LARGEST_ANSWER_BYTES >> 20} MiB: ask for less."
            )
    return bytes(body)


def _parse_answer(base: str, status: int, body: bytes) -> QueryResult:
    if status in (401, 403):
        raise QueryFailedError(
            f"{base} refuses the question (HTTP {status}): give a token that may read with --token"
            " or in RESUMATCH_MONITOR_TOKEN."
        )
    try:
        document = orjson.loads(body)
        if document["status"] != "success":
            raise QueryFailedError(str(document["error"]))
        return parse_result(document)
    except (json.JSONDecodeError, KeyError, TypeError, ValueError, IndexError):
        raise QueryFailedError(
            f"{base} does not answer as Prometheus' API does (HTTP {status})."
        ) from None


def parse_result(document: Mapping[str, Any]) -> QueryResult:
    """Read the whole answer of `/api/v1/query` or `/api/v1/query_range`.

    Raises:
        KeyError, TypeError, ValueError, IndexError: If it has another form.
    """
    data = document["data"]
    remarks = [*document.get("warnings", ()), *document.get("infos", ())]
    kind, result = str(data["resultType"]), data["result"]
    if kind in ("scalar", "string"):
        return QueryResult(kind, [ResultSeries({}, [_parse_point(result)])], remarks)
    series = [
        ResultSeries(each["metric"], _parse_points(each))
        for each in cast("list[dict[str, Any]]", result)
    ]
    return QueryResult(kind, series, remarks)


def _parse_points(item: Mapping[str, Any]) -> list[Point]:
    if "values" in item:
        return [_parse_point(each) for each in item["values"]]
    if "value" in item:
        return [_parse_point(item["value"])]
    # A native histogram: shown as it is.
    histograms = item["histograms"] if "histograms" in item else [item["histogram"]]
    return [(float(at), orjson.dumps(value).decode()) for at, value in histograms]


def _parse_point(pair: Sequence[Any]) -> Point:
    return float(pair[0]), str(pair[1])
