"""A shop on FastAPI and SQLAlchemy, served by uvicorn, and its visitors; prints what happened."""

import json
import logging
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import sentry_sdk
import uvicorn
from client import finish, start
from fastapi import FastAPI, Request
from sqlalchemy import create_engine, text
from sqlalchemy.pool import StaticPool

logger = logging.getLogger("shop.web")
_told: dict[str, Any] = {"events": {}}


class PaymentError(Exception):
    """The bank did not want to."""


def find_price(prices: dict[str, int], article: str) -> int:
    return prices[article]


def charge(article: str) -> None:
    try:
        find_price({}, article)
    except KeyError as error:
        raise PaymentError("no price for this order") from error


def run_checks() -> None:
    raise ExceptionGroup("two checks failed", [ValueError("stock"), OSError("printer")])


def build_app() -> FastAPI:
    """Return the shop; ids of its events are noted."""
    app = FastAPI()
    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE articles (id INTEGER, name TEXT)"))
        connection.execute(text("INSERT INTO articles VALUES (1, 'lamp'), (2, 'desk')"))

    @app.get("/articles/{number}")
    def show_article(number: int) -> dict[str, Any]:
        sentry_sdk.metrics.count("shop.articles.shown", 1, attributes={"kind": "lamp"})
        with engine.connect() as connection:
            query = text("SELECT name FROM articles WHERE id = :number")
            name = connection.execute(query, {"number": number}).scalar_one()
        until = time.perf_counter() + 0.05
        while time.perf_counter() < until:
            sum(range(1_000))
        logger.info("showed %s", name)
        return {"name": name}

    @app.post("/orders")
    async def order(request: Request) -> dict[str, Any]:
        ordered = await request.json()
        sentry_sdk.set_tag("article", ordered["article"])
        sentry_sdk.add_breadcrumb(category="cart", message="paying", level="info")
        charge(ordered["article"])
        return {}

    @app.get("/checks")
    def check() -> dict[str, Any]:
        try:
            run_checks()
        except ExceptionGroup as error:
            _told["events"]["checks"] = sentry_sdk.capture_exception(error)
        return {}

    @app.get("/report")
    def report() -> dict[str, Any]:
        with sentry_sdk.new_scope() as scope:
            scope.add_attachment(
                bytes=b"one\ntwo\n", filename="report.txt", content_type="text/plain"
            )
            scope.set_context("printer", {"model": "P-100", "paper": "A4"})
            scope.set_extra("pages", 3)
            _told["events"]["report"] = sentry_sdk.capture_message("The report is empty", "warning")
        return {}

    return app


@contextmanager
def serve(app: FastAPI) -> Generator[str]:
    """Serve `app` in a thread; yield its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def visit(url: str, body: dict[str, Any] | None = None) -> int:
    """Ask as a program without an SDK would; return the status."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def main() -> None:
    logging.getLogger("shop").setLevel(logging.INFO)
    start(profiles_sample_rate=1.0)
    with serve(build_app()) as url:
        _told["answers"] = [
            visit(f"{url}/articles/1"),
            visit(f"{url}/articles/2"),
            visit(f"{url}/orders", {"article": "ghost", "password": "hunter2-hunter2"}),
            visit(f"{url}/checks"),
            visit(f"{url}/report"),
        ]
    finish(_told)


if __name__ == "__main__":
    main()
