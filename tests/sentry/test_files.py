import codecs
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.sentry.config import ProjectConfig
from resumatch_monitor.sentry.file_texts import read_text
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


SECRETS = "# Ünïcode 😀\nPASSWORD=hunter22\nfrom ada@example.org\n"
CLEANED = "# Ünïcode 😀\nPASSWORD=[Filtered]\nfrom [email]\n"


@pytest.mark.parametrize(
    "headers",
    [
        {"filename": ".env"},
        {"filename": "dump.sql"},
        {"filename": "core.bin", "content_type": "application/octet-stream"},
        {"filename": "picture.png", "content_type": "image/png"},
        {},
    ],
)
async def test_a_text_is_scrubbed_whatever_it_is_called(headers: dict[str, str]) -> None:
    file = await digest(SECRETS.encode(), **headers)

    assert file.content.decode() == CLEANED


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
@pytest.mark.parametrize("tail", [b"", b"\xf0"])
async def test_a_marked_text_stays_in_its_encoding(mark: bytes, encoding: str, tail: bytes) -> None:
    file = await digest(mark + SECRETS.encode(encoding) + tail, filename="events")

    assert file.content == mark + CLEANED.encode(encoding)


async def test_a_marked_text_is_cut_by_its_bytes() -> None:
    file = await digest(codecs.BOM_UTF16_LE + (SECRETS * 20_000).encode("utf-16-le"))

    text = file.content.decode("utf-16")
    assert text.startswith(CLEANED)
    assert text.endswith(" bytes]")
    assert len(file.content) <= 1024 * 1024 + 100
    assert "ada@" not in text


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "shift_jis"])
async def test_a_text_in_another_encoding_keeps_its_bytes(encoding: str) -> None:
    greeting = ("テスト" if encoding == "shift_jis" else "Grüße").encode(encoding)

    file = await digest(greeting + b" ada@example.org " + greeting, filename="dump.sql")

    assert file.content == greeting + b" [email] " + greeting


async def test_what_has_a_nul_is_no_text_unless_it_is_called_one() -> None:
    content = b"\x00\x01 ada@example.org \xff"

    assert (await digest(content, filename="core")).content == content
    assert (await digest(content, filename="a.log")).content == b"\x00\x01 [email] \xff"


async def test_a_key_is_taken_out_wherever_a_text_is_divided() -> None:
    key = "-----BEGIN PRIVATE KEY-----\n" + "MIIEv\n" * 300 + "-----END PRIVATE KEY-----\n"
    file = await digest(("x\n" * 32_500 + key + "end\n").encode(), filename="a.log")

    assert b"MIIEv" not in file.content
    assert file.content.endswith(b"x\n[Filtered]\nend\n")


@given(st.binary(max_size=2_000))
def test_any_bytes_are_digested_in_their_length(content: bytes) -> None:
    read = read_text(content, "a.log", "", most=1_000)

    assert read is not None
    assert len(read.text.encode(read.encoding, "surrogatepass")) <= 1_000
