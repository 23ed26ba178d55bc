from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from resumatch_monitor.sentry.config import ProjectConfig
from resumatch_monitor.sentry.files import FileProcessor, NewFile, clean_name
from resumatch_monitor.sentry.items import ItemKind, ItemRecord
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.sentry.scrubbers import Scrubbers

pytestmark = pytest.mark.anyio


class Store:
    def __init__(self) -> None:
        self.files: list[NewFile] = []

    async def store(self, files: Sequence[NewFile]) -> None:
        self.files += files


async def digest(payload: bytes, **headers: Any) -> NewFile:
    store = Store()
    projects = Projects([ProjectConfig(id=1, slug="shop", key="a" * 32)])
    record = ItemRecord(
        kind=ItemKind.ATTACHMENT,
        project_id=1,
        item_id="1" * 32,
        event_id="2" * 32,
        received_at=datetime(2026, 11, 26, tzinfo=UTC),
        headers=headers,
        payload=payload,
    )
    await FileProcessor(store=store, cleaners=Scrubbers(projects)).process([record])
    return store.files[0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.txt", "a.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\dir\\a.txt", "a.txt"),
        ("a\r\nSet-Cookie: x", "aSet-Cookie: x"),
        ("\u202egnp.exe", "gnp.exe"),
        ("..", ""),
        ("", ""),
        ("x" * 900, "x" * 200),
        ("\ud800.txt", ".txt"[1:]),
    ],
)
def test_a_name_is_no_path_and_no_trap(name: str, expected: str) -> None:
    assert clean_name(name) == expected


async def test_texts_are_scrubbed() -> None:
    text = "line one\nmail ada@example.org, card 4111 1111 1111 1111\n" + "x" * 200_000 + "\nend\n"

    for headers in ({"content_type": "text/plain"}, {"filename": "app.log"}):
        file = await digest(text.encode(), **headers)

        assert b"ada@" not in file.content
        assert b"4111" not in file.content
        assert file.content.startswith(b"line one\nmail [email], card [card number]\n")
        assert file.content.endswith(b"\nend\n")


async def test_a_text_is_kept_as_far_as_it_is_looked_through() -> None:
    file = await digest(b"ada@example.org\n" * 100_000, filename="app.log")

    assert file.content.startswith(b"[email]\n[email]\n")
    assert file.content.endswith(b"[cut: 1600000 bytes]")
    assert b"ada@example.org" not in file.content


async def test_pictures_are_kept_as_they_are() -> None:
    picture = b"\x89PNG\r\n\x1a\n" + bytes(range(256))

    file = await digest(picture, filename="s.png", content_type="image/png")

    assert (file.content, file.name, file.content_type) == (picture, "s.png", "image/png")


async def test_headers_may_be_anything() -> None:
    file = await digest(b"x", filename=7, content_type=["a"], attachment_type={"a": 1})

    assert (file.name, file.content_type, file.attachment_type) == ("7", "", "")
