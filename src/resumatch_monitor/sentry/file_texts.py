"""Which files are texts, and in which encoding: their bytes say so, not their senders."""

import codecs
from dataclasses import dataclass

_TYPES = ("text/", "application/json", "application/xml", "application/x-ndjson")
_ENDINGS = (".txt", ".log", ".json", ".csv", ".xml", ".yaml", ".yml", ".md", ".html", ".ini")
# The longer ones first: UTF-32's begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le", 4),
    (codecs.BOM_UTF32_BE, "utf-32-be", 4),
    (codecs.BOM_UTF16_LE, "utf-16-le", 2),
    (codecs.BOM_UTF16_BE, "utf-16-be", 2),
)
_UTF_8_LONGEST = 4


@dataclass(frozen=True, slots=True)
class FileText:
    """The text of a file.

    Attributes:
        text: With its byte order mark, if it has one.
        encoding: What it is to be written in again, so that its readers still can read it.
    """

    text: str
    encoding: str


def read_text(content: bytes, name: str, content_type: str, *, most: int) -> FileText | None:
    """Return the first `most` bytes of a file as a text; None if it is none.

    A text is what is marked as UTF-16 or UTF-32, what has no NUL, and what its name or its type
    calls one. What is not UTF-8 keeps its bytes, whatever encoding its sender used, or if it is
    no text after all.
    """
    head = content[:most]
    for mark, encoding, unit in _MARKS:
        if head.startswith(mark):
            try:
                whole = head[: len(head) - len(head) % unit]
                return FileText(whole.decode(encoding, "surrogatepass"), encoding)
            except UnicodeDecodeError:
                continue
    if b"\0" in head and not is_called_text(name, content_type):
        return None
    try:
        return FileText(head.decode(), "utf-8")
    except UnicodeDecodeError as error:
        # Only a last character that was cut: by us, or by a sender who sends the end of a log.
        if error.reason == "unexpected end of data" and len(head) - error.start < _UTF_8_LONGEST:
            return FileText(head[: error.start].decode(), "utf-8")
    return FileText(head.decode("latin-1"), "latin-1")


def is_called_text(name: str, content_type: str) -> bool:
    """Tell whether a file is text, as far as its name and its type say so."""
    said = content_type.lower()
    return said.startswith(_TYPES) or "+json" in said or name.lower().endswith(_ENDINGS)
