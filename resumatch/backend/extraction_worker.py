"""Reads one document from its standard input and writes its text, as JSON, to the standard output.

A script of its own: it runs isolated (`python -I`), knows nothing of ResuMatch, and gives up
memory, processor time, files and further processes before it looks at the first byte.
"""

import io
import json
import resource
import sys
from collections.abc import Generator, Iterator
from typing import Any

from pypdf import PdfReader
from pypdf.errors import LimitReachedError, PyPdfError
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, StreamObject

_LONGEST_TEXT = 200_000
_MAX_PAGES = 40
_DEEPEST_TABLE = 5
_MAX_NODES = 300_000
_ACTIVE_ACTIONS = frozenset(
    {
        "/JavaScript",
        "/Launch",
        "/ImportData",
        "/SubmitForm",
        "/GoToE",
        "/Rendition",
        "/RichMediaExecute",
    }
)
_HARMLESS_AUTOMATIC = frozenset({"/GoTo", "/Named"})
_PROGRAMS = (b"MZ", b"\x7fELF", b"PK\x03\x04", b"#!", b"%PDF-", b"\xd0\xcf\x11\xe0", b"Rar!")


class SuspicionError(Exception):
    """The document tries something that a résumé does not."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def main() -> None:
    kind, memory_bytes, cpu_seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    _limit(memory_bytes, cpu_seconds)
    data = sys.stdin.buffer.read()
    sys.stdout.write(json.dumps(_answer(kind, data)))


def _limit(memory_bytes: int, cpu_seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))


def _answer(kind: str, data: bytes) -> dict[str, str]:
    try:
        return {"text": _read_pdf(data) if kind == "pdf" else _read_docx(data)}
    except SuspicionError as error:
        return {"suspicion": error.reason, "detail": str(error)}
    except (MemoryError, LimitReachedError, RecursionError):
        return {"suspicion": "resource_exhaustion", "detail": "reading it took too much"}
    except PyPdfError:
        return {"problem": "The PDF file is damaged or encrypted."}
    except Exception:  # noqa: BLE001 - whatever a hostile file provokes ends here, as an answer
        return {"problem": "The file could not be read."}


def _read_pdf(data: bytes) -> str:
    reader = PdfReader(io.BytesIO(data), strict=False)
    if reader.is_encrypted and not reader.decrypt(""):
        return ""
    _check_pdf(reader)
    parts: list[str] = []
    for number, page in enumerate(reader.pages):
        if number >= _MAX_PAGES or sum(map(len, parts)) > _LONGEST_TEXT:
            break
        parts.append(page.extract_text())
    return "\n".join(parts)[:_LONGEST_TEXT]


def _check_pdf(reader: PdfReader) -> None:
    for node in _nodes(reader):
        if "/JS" in node or "/XFA" in node or str(_at(node, "/Subtype")) == "/RichMedia":
            raise SuspicionError("pdf_active_content", "the PDF carries a script")
        if str(_at(node, "/S")) in _ACTIVE_ACTIONS:
            raise SuspicionError("pdf_active_content", "the PDF carries an action")
        _check_automatic(_at(node, "/OpenAction"))
        automatic = _at(node, "/AA")
        if isinstance(automatic, DictionaryObject):
            for name in automatic:
                _check_automatic(_at(automatic, str(name)))
        if isinstance(node, StreamObject) and str(_at(node, "/Type")) == "/EmbeddedFile":
            content = node.get_data()
            if content.startswith(_PROGRAMS) or b"EICAR-STANDARD-ANTIVIRUS" in content:
                raise SuspicionError("embedded_object", "the PDF carries a program or an archive")


def _check_automatic(action: Any) -> None:
    """Opening a document may jump to a page, and nothing else."""
    if not isinstance(action, DictionaryObject) or "/S" not in action:
        return
    if str(_at(action, "/S")) not in _HARMLESS_AUTOMATIC:
        raise SuspicionError("pdf_active_content", "the PDF acts when it is opened")


def _at(node: DictionaryObject, key: str) -> Any:
    # Unlike get(), [] follows a reference.
    return node[key] if key in node else None  # noqa: SIM401


def _nodes(reader: PdfReader) -> Generator[DictionaryObject]:
    """Every dictionary of the file: those in object streams and those nothing refers to, too."""
    waiting: list[Any] = [reader.trailer]
    for generation, numbers in reader.xref.items():
        waiting += [IndirectObject(number, generation, reader) for number in numbers]
    waiting += [IndirectObject(number, 0, reader) for number in reader.xref_objStm]
    for _ in range(_MAX_NODES):
        if not waiting:
            return
        node = waiting.pop()
        if isinstance(node, IndirectObject):
            # Each indirect object is in the list by itself; references are not followed twice.
            node = _resolved(node)
        if isinstance(node, DictionaryObject):
            yield node
        waiting += _direct_children(node)
    raise SuspicionError("resource_exhaustion", "the PDF has too many objects")


def _resolved(reference: IndirectObject) -> Any:
    try:
        return reference.get_object()
    except PyPdfError:
        # A broken object is not reachable for a reader either.
        return None


def _direct_children(node: Any) -> list[Any]:
    values: list[Any] = []
    if isinstance(node, DictionaryObject):
        values = list(node.values())
    elif isinstance(node, ArrayObject):
        values = list(node)
    return [
        value
        for value in values
        if isinstance(value, (DictionaryObject, ArrayObject))
        and not isinstance(value, IndirectObject)
    ]


def _read_docx(data: bytes) -> str:
    import docx  # noqa: PLC0415 - a PDF is read in two thirds of the time without it

    document = docx.Document(io.BytesIO(data))
    return "\n".join(_docx_lines(document.iter_inner_content()))[:_LONGEST_TEXT]


def _docx_lines(content: Iterator[Any], depth: int = 0) -> Generator[str]:
    for block in content:
        # A paragraph has text, a table has rows.
        if not hasattr(block, "rows"):
            yield block.text
        elif depth < _DEEPEST_TABLE:
            for row in block.rows:
                for cell in row.cells:
                    yield from _docx_lines(cell.iter_inner_content(), depth + 1)


if __name__ == "__main__":
    main()
