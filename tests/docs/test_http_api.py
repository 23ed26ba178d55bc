"""The page on the HTTP API names every route, and no other."""

import re
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from resumatch_monitor.app.monitor import Monitor
from resumatch_monitor.app.web import build_web
from resumatch_monitor.config.tree import MonitorConfig
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

PAGE = Path(__file__).parents[2] / "docs" / "http-api.md"
ROUTE = re.compile(r"`((?:GET|POST|PUT|PATCH|DELETE)(?:\|(?:GET|POST|PUT|HEAD))*) (/[^`?\s]*)")


def served_routes(app: FastAPI) -> set[str]:
    found: set[str] = set()
    pending: list[Any] = list(app.routes)
    while pending:
        route = pending.pop()
        router = getattr(route, "original_router", None)
        if router is not None:
            pending.extend(router.routes)
            continue
        for method in route.methods - {"HEAD", "OPTIONS"}:
            found.add(f"{method} {normalise(route.path)}")
    return found


def documented_routes() -> set[str]:
    return {
        f"{method} {normalise(path)}"
        for methods, path in ROUTE.findall(PAGE.read_text())
        for method in methods.split("|")
        if method != "HEAD"
    }


def normalise(path: str) -> str:
    path = re.sub(r"\{[^}]*\}", "{}", path)
    return path.rstrip("/") or "/"


def test_the_page_names_every_route_and_no_other(tmp_path: Path) -> None:
    monitor = Monitor(
        MonitorConfig(),
        folder=tmp_path,
        address="http://monitor.test",
        clock=FakeClock(),
        ids=SequentialIds(),
    )
    served = served_routes(build_web(monitor, folder=tmp_path)) - {"GET /{}"}
    documented = documented_routes() - {"GET /"}

    assert served - documented == set(), "not in docs/http-api.md"
    assert documented - served == set(), "in docs/http-api.md, but not served"
