"""Catches the mails and webhooks that the monitor sends, and shows them on a page."""

import argparse
import asyncio
import html
import json
from collections import deque
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import uvicorn
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from resumatch.demo.paging import find_change_errors, find_event_errors, summary_of
from resumatch.demo.settings import HOST

_MOST_MESSAGES = 500
_LARGEST_BODY_BYTES = 1024 * 1024
_STYLE = """
:root { color-scheme: light dark }
body { font: 14px/1.5 -apple-system, "Segoe UI", Roboto, Arial, sans-serif }
body { max-width: 820px; margin: 24px auto; padding: 0 16px }
article { border: 1px solid #8884; border-radius: 8px; padding: 12px 16px; margin: 12px 0 }
h1 { font-size: 18px } h2 { font-size: 14px; margin: 0 } p { margin: 2px 0; opacity: .7 }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 12px; margin: 8px 0 0 }
"""


class Mailbox:
    """The messages, newest last; they survive a restart."""

    def __init__(self, path: Path, *, most: int = _MOST_MESSAGES) -> None:
        self._path = path
        self.messages: deque[dict[str, Any]] = deque(maxlen=most)
        if path.exists():
            for line in path.read_text().splitlines()[-most:]:
                self.messages.append(json.loads(line))

    def add(self, channel: str, title: str, body: str, details: object, *, key: str = "") -> None:
        """Keep a message; one that is sent again has the `key` that it had before."""
        message = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "channel": channel,
            "title": title,
            "body": body,
            "details": details,
            "key": key,
        }
        self.messages.append(message)
        with self._path.open("a") as file:
            file.write(json.dumps(message) + "\n")


class MailHandler:
    """Takes every mail that is sent to anybody."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        message = message_from_bytes(content, _class=EmailMessage, policy=policy.default)
        text = message.get_body(preferencelist=("plain", "html"))
        body = str(text.get_content()) if text is not None else ""
        headers = {name: str(value) for name, value in message.items()}
        self._mailbox.add(
            "email",
            str(message["Subject"]),
            body,
            {"to": envelope.rcpt_tos, "from": envelope.mail_from, "headers": headers},
            key=headers.get("Message-ID", ""),
        )
        return "250 Kept"


def build_app(mailbox: Mailbox) -> FastAPI:
    """Return the page of messages, their JSON, and the webhooks."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/")
    async def show() -> HTMLResponse:
        return HTMLResponse(_render(list(mailbox.messages)))

    @app.get("/messages")
    async def list_messages() -> JSONResponse:
        return JSONResponse(list(mailbox.messages))

    @app.post("/slack")
    async def take_slack(request: Request) -> Response:
        payload = await _read_json(request)
        if payload is None:
            return Response("invalid_payload", HTTPStatus.BAD_REQUEST, media_type="text/plain")
        title = str(payload.get("text", ""))
        mailbox.add("slack", title, _pretty(payload), payload, key=_key_of(request))
        return Response("ok", media_type="text/plain")

    @app.post("/webhook")
    async def take_webhook(request: Request) -> Response:
        payload = await _read_json(request)
        if payload is None:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        title = f"{payload.get('status')} {payload.get('groupKey')}"
        mailbox.add("webhook", title, _pretty(payload), payload, key=_key_of(request))
        return Response(status_code=HTTPStatus.OK)

    # As PagerDuty's Events API v2, where `url` is this server's with /pagerduty at its end.
    @app.post("/pagerduty/v2/enqueue")
    async def take_event(request: Request) -> Response:
        event = await _read_json(request)
        errors = ["JSON is invalid"] if event is None else find_event_errors(event)
        if event is None or errors:
            return _refuse(errors)
        dedup_key = str(event.get("dedup_key") or uuid4().hex)
        title = f"{event['event_action']} {summary_of(event) or _find_summary(mailbox, dedup_key)}"
        mailbox.add("pagerduty", title, _pretty(event), event, key=_key_of(request))
        return _accept("Event processed", dedup_key=dedup_key)

    @app.post("/pagerduty/v2/change/enqueue")
    async def take_change(request: Request) -> Response:
        event = await _read_json(request)
        errors = ["JSON is invalid"] if event is None else find_change_errors(event)
        if event is None or errors:
            return _refuse(errors)
        title = f"change {summary_of(event)}"
        mailbox.add("pagerduty", title, _pretty(event), event, key=_key_of(request))
        return _accept("Change event processed")

    return app


def _key_of(request: Request) -> str:
    return request.headers.get("Idempotency-Key", "")


def _find_summary(mailbox: Mailbox, dedup_key: str) -> str:
    """Return the summary of the incident that an event without one is about."""
    for message in reversed(mailbox.messages):
        if message["channel"] != "pagerduty" or message["details"].get("dedup_key") != dedup_key:
            continue
        if summary := summary_of(message["details"]):
            return summary
    return dedup_key


def _accept(text: str, **fields: str) -> Response:
    return JSONResponse({"status": "success", "message": text, **fields}, HTTPStatus.ACCEPTED)


def _refuse(errors: list[str]) -> Response:
    refusal = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
    return JSONResponse(refusal, HTTPStatus.BAD_REQUEST)


async def _read_json(request: Request) -> dict[str, Any] | None:
    body = await request.body()
    if len(body) > _LARGEST_BODY_BYTES:
        return None
    try:
        payload = json.loads(body)
    except ValueError:
        return None
    return cast("dict[str, Any]", payload) if isinstance(payload, dict) else None


def _pretty(payload: object) -> str:
    return json.dumps(payload, indent=2, ensure_ascii=False)


def _render(messages: list[dict[str, Any]]) -> str:
    articles = "".join(
        f"<article><h2>{html.escape(message['title'])}</h2>"
        f"<p>{html.escape(message['channel'])} · {html.escape(message['at'])}</p>"
        f"<details><summary>Content</summary><pre>{html.escape(message['body'])}</pre></details>"
        "</article>"
        for message in reversed(messages)
    )
    empty = "<p>Nothing yet: nothing has broken.</p>"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Messages</title>'
        '<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="5">'
        f"<style>{_STYLE}</style><h1>What the monitor sent</h1>{articles or empty}</html>"
    )


def main() -> None:
    """Catch until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--most", type=int, default=_MOST_MESSAGES, help="messages that are kept")
    options = parser.parse_args()
    mailbox = Mailbox(options.file, most=options.most)
    controller = Controller(MailHandler(mailbox), hostname=HOST, port=options.smtp_port)
    controller.start()
    try:
        app = build_app(mailbox)
        server = uvicorn.Server(
            uvicorn.Config(app, host=HOST, port=options.http_port, log_level="warning")
        )
        asyncio.run(server.serve())
    finally:
        controller.stop()


if __name__ == "__main__":
    main()
