"""Endpoints are not told apart by ids."""

from typing import Any

import pytest

from resumatch_monitor.tracing.performance.templating import name_endpoint

UUID = "0b5bc3a6-7d9e-4b0e-9d4a-0b7b3a3e8d11"


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("/users/123", "url", "/users/{id}"),
        ("GET /users/123/orders/9?x=1", "url", "GET /users/{id}/orders/{id}"),
        (f"/files/{UUID}", "url", "/files/{id}"),
        (f"/files/{UUID}", "", "/files/{id}"),
        ("/commits/9f86d081884c7d659a2feaa0c55ad015", "", "/commits/{id}"),
        ("https://example.org/a/77", "url", "https://example.org/a/{id}"),
        ("/reset/Ab3-9x_77Qq1z", "url", "/reset/{id}"),
        # What SDKs say is a route is one, whatever it looks like.
        ("/api/0/users", "route", "/api/0/users"),
        ("/api/0/users", "", "/api/0/users"),
        ("/orders/1234567", "", "/orders/{id}"),
        ("/about-our-company", "url", "/about-our-company"),
        ("tasks.send_mail", "task", "tasks.send_mail"),
        ("", "", "(no name)"),
        ("/", "url", "/"),
    ],
)
def test_names(name: str, source: str, expected: str) -> None:
    attributes: dict[str, Any] = {"sentry.span.source": source} if source else {}

    assert name_endpoint(name, attributes) == expected


def test_a_long_name_is_cut() -> None:
    assert len(name_endpoint("x" * 2_000, {})) == 250
