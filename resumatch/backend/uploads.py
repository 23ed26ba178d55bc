"""What an uploaded file really is, whatever its name says."""

import io
import re
import struct
import zipfile
import zlib
from enum import StrEnum
from itertools import pairwise
from pathlib import PurePosixPath

_EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
_PDF = b"%PDF-"
_ZIP_ENTRY = b"PK\x03\x04"
# What a text or the tail of a PDF never begins with.
_OTHER_MAGIC = (
    b"MZ",
    b"\x7fELF",
    b"\xcf\xfa\xed\xfe",
    b"PK\x03\x04",
    b"Rar!",
    b"7z\xbc\xaf\x27\x1c",
    b"\x1f\x8b\x08",
    b"\xd0\xcf\x11\xe0",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"{\\rtf",
    b"#!",
    _PDF,
)
_HEADER_WINDOW = 1024
_LONGEST_TAIL = 512

_MAX_ENTRIES = 2_000
_MAX_INFLATED = 60 * 1024 * 1024
_MAX_RATIO = 120
_RATIO_MATTERS_FROM = 2 * 1024 * 1024

_MACRO_EXTENSIONS = frozenset({".docm", ".dotm", ".xlsm", ".xltm", ".pptm", ".potm", ".ppsm"})
_MACRO_MEMBERS = ("vbaproject.bin", "vbadata.xml", "vbaprojectsignature.bin")
_ARCHIVE_EXTENSIONS = (".zip", ".rar", ".7z", ".gz", ".tar", ".jar", ".docx", ".xlsx", ".pptx")
_FETCHED_RELATIONS = re.compile(
    rb"/(attachedTemplate|oleObject|frame|subDocument|externalLink|package)[\"']", re.IGNORECASE
)
_RELATION = re.compile(rb"<[\w:]*Relationship\b[^>]*>", re.IGNORECASE)
_EXTERNAL = re.compile(rb"TargetMode\s*=\s*[\"']External[\"']", re.IGNORECASE)
_DDE = re.compile(
    rb"<w:instrText[^>]*>[^<]*\bDDE(AUTO)?\b|w:instr\s*=\s*\"[^\"]*\bDDE(AUTO)?\b", re.IGNORECASE
)
_DOCTYPES = tuple(
    f"<!{word}".encode(encoding)
    for word in ("DOCTYPE", "ENTITY")
    for encoding in ("utf-8", "utf-16-le", "utf-16-be")
)


class DocumentKind(StrEnum):
    """What ResuMatch can read."""

    PDF = "pdf"
    DOCX = "docx"
    TXT = "txt"


_CONTENT_TYPES = {
    DocumentKind.PDF: {"application/pdf", "application/x-pdf"},
    DocumentKind.DOCX: {"application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    DocumentKind.TXT: {"text/plain", "text/markdown"},
}
_SAYS_NOTHING = {"", "application/octet-stream", "binary/octet-stream"}


class UnsupportedFileError(Exception):
    """A harmless file that is no PDF, DOCX or TXT."""


class UnreadableFileError(Exception):
    """A file of the right kind that is broken; the message says how."""


class SuspiciousFileError(Exception):
    """A file that looks made to attack; `reason` is one of `metrics.SUSPICIONS`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def inspect(data: bytes, *, filename: str, content_type: str) -> DocumentKind:
    """Decide what `data` is.

    Raises:
        SuspiciousFileError: If it looks like an attack.
        UnsupportedFileError: If it is something else.
        UnreadableFileError: If it is broken.
    """
    if _EICAR in data:
        raise SuspiciousFileError("eicar", "the EICAR test file")
    kind = _kind_by_name(filename)
    declared = content_type.split(";")[0].strip().lower()
    if declared not in _CONTENT_TYPES[kind] | _SAYS_NOTHING:
        raise SuspiciousFileError(
            "wrong_magic_bytes", "name and content type contradict each other"
        )
    if not data:
        raise UnreadableFileError("The file is empty.")
    {
        DocumentKind.PDF: _inspect_pdf,
        DocumentKind.DOCX: _inspect_docx,
        DocumentKind.TXT: _inspect_text,
    }[kind](data)
    return kind


def decode_text(data: bytes) -> str:
    """Read a text file: UTF-8, UTF-16 with its mark, or else Windows-1252."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _kind_by_name(filename: str) -> DocumentKind:
    extension = PurePosixPath(filename.lower()).suffix
    if extension in _MACRO_EXTENSIONS:
        raise SuspiciousFileError("macros", "a document type that carries macros")
    try:
        return DocumentKind(extension.removeprefix("."))
    except ValueError:
        raise UnsupportedFileError("Please upload a PDF, DOCX or TXT file.") from None


def _inspect_pdf(data: bytes) -> None:
    start = data.find(_PDF, 0, _HEADER_WINDOW)
    if start < 0:
        raise SuspiciousFileError("wrong_magic_bytes", "named .pdf, but no PDF")
    if start > 0:
        # Readers accept a header later on, which leaves room for another file before it.
        raise SuspiciousFileError("polyglot", "something stands before the PDF")
    if zipfile.is_zipfile(io.BytesIO(data)):
        raise SuspiciousFileError("polyglot", "a ZIP archive within the PDF")
    end = data.rfind(b"%%EOF")
    tail = data[end + 5 :].strip(b"\r\n\t \0") if end >= 0 else b""
    if len(tail) > _LONGEST_TAIL or tail.startswith(_OTHER_MAGIC) or b"<script" in tail.lower():
        raise SuspiciousFileError("polyglot", "something stands behind the PDF")


def _inspect_text(data: bytes) -> None:
    if data.startswith(_OTHER_MAGIC):
        raise SuspiciousFileError("wrong_magic_bytes", "named .txt, but no text")
    if zipfile.is_zipfile(io.BytesIO(data)):
        raise SuspiciousFileError("polyglot", "a ZIP archive within the text")
    if _PDF in data[:_HEADER_WINDOW] and b"%%EOF" in data:
        raise SuspiciousFileError("polyglot", "a PDF within the text")
    text = decode_text(data)
    unprintable = sum(1 for each in text if each < " " and each not in "\t\n\r\f\v")
    if "\0" in text or unprintable > len(text) / 100:
        raise SuspiciousFileError("wrong_magic_bytes", "named .txt, but binary")


def _inspect_docx(data: bytes) -> None:
    if not data.startswith(_ZIP_ENTRY):
        raise SuspiciousFileError("wrong_magic_bytes", "named .docx, but no DOCX")
    if _PDF in data[:_HEADER_WINDOW]:
        raise SuspiciousFileError("polyglot", "a PDF within the DOCX")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_layout(data, archive)
            _check_sizes(archive)
            _check_names(archive)
            _check_members(archive)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, struct.error) as error:
        raise UnreadableFileError("The DOCX file is damaged.") from error
    except (RuntimeError, UnicodeError, ValueError) as error:
        raise UnreadableFileError("The DOCX file is encrypted or damaged.") from error


def _check_layout(data: bytes, archive: zipfile.ZipFile) -> None:
    """Entries follow each other from the first byte; nothing overlaps, leads or trails."""
    entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
    if len(entries) > _MAX_ENTRIES:
        raise SuspiciousFileError("zip_bomb", "too many entries")
    if not entries or entries[0].header_offset != 0:
        raise SuspiciousFileError("polyglot", "something stands before the archive")
    if len(archive.comment) > _LONGEST_TAIL or archive.comment.startswith(_OTHER_MAGIC):
        raise SuspiciousFileError("polyglot", "something stands behind the archive")
    if data.rfind(b"PK\x05\x06") + 22 + len(archive.comment) != len(data):
        raise SuspiciousFileError("polyglot", "something stands behind the archive")
    # Each entry that shares another's bytes multiplies what comes out of them.
    for entry, following in pairwise(entries):
        if entry.header_offset + 30 + entry.compress_size > following.header_offset:
            raise SuspiciousFileError("zip_bomb", "entries overlap")


def _check_sizes(archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    # Packing adds a few bytes at most: an entry larger than what it holds hides its size.
    if any(entry.compress_size > entry.file_size * 1.01 + 64 for entry in entries):
        raise SuspiciousFileError("zip_bomb", "larger than it says")
    inflated = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    if inflated > _MAX_INFLATED:
        raise SuspiciousFileError("zip_bomb", "too large when unpacked")
    if inflated > _RATIO_MATTERS_FROM and inflated > _MAX_RATIO * max(packed, 1):
        raise SuspiciousFileError("zip_bomb", "packed too densely")


def _check_names(archive: zipfile.ZipFile) -> None:
    names = [entry.filename.lower().replace("\\", "/") for entry in archive.infolist()]
    if any(name.endswith(_MACRO_MEMBERS) for name in names):
        raise SuspiciousFileError("macros", "the document carries macros")
    if any("/embeddings/" in name or "/activex/" in name for name in names):
        raise SuspiciousFileError(
            "embedded_object", "the document carries another program's object"
        )
    if any(name.endswith(_ARCHIVE_EXTENSIONS) for name in names):
        raise SuspiciousFileError("zip_bomb", "an archive within the archive")
    if "[content_types].xml" not in names or "word/document.xml" not in names:
        raise SuspiciousFileError("wrong_magic_bytes", "named .docx, but another archive")


def _check_members(archive: zipfile.ZipFile) -> None:
    left = _MAX_INFLATED
    for entry in archive.infolist():
        with archive.open(entry) as member:
            # The size that the directory states is only a claim.
            content = member.read(left + 1)
        left -= len(content)
        if left < 0:
            raise SuspiciousFileError("zip_bomb", "larger than it says")
        _check_member(entry.filename.lower(), content)


def _check_member(name: str, content: bytes) -> None:
    if _EICAR in content:
        raise SuspiciousFileError("eicar", "the EICAR test file within the document")
    if content.startswith((_ZIP_ENTRY, b"Rar!", b"7z\xbc\xaf\x27\x1c", b"\x1f\x8b\x08")):
        raise SuspiciousFileError("zip_bomb", "an archive within the archive")
    if content.startswith((b"MZ", b"\x7fELF", b"\xd0\xcf\x11\xe0")):
        raise SuspiciousFileError("embedded_object", "a program within the document")
    if not name.endswith((".xml", ".rels")):
        return
    if any(mark in content for mark in _DOCTYPES):
        raise SuspiciousFileError("xml_entities", "the document declares entities")
    if name == "[content_types].xml" and b"macroenabled" in content.lower():
        raise SuspiciousFileError("macros", "the document says that it carries macros")
    if _DDE.search(content):
        raise SuspiciousFileError("macros", "the document starts another program")
    if name.endswith(".rels"):
        for relation in _RELATION.findall(content):
            if _EXTERNAL.search(relation) and _FETCHED_RELATIONS.search(relation):
                raise SuspiciousFileError("external_reference", "the document loads another one")
