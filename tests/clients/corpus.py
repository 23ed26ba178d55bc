"""What real clients sent, as files of the repository: JSON lines, compressed by xz.

`xzcat tests/corpus/python.ndjson.xz | jq -r .body` shows what is in one.
"""

import base64
import lzma
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

FOLDER = Path(__file__).parents[1] / "corpus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A request of a client.

    Attributes:
        label: Which client it was and with which options, for example `python worker br`.
        at: When it came, in seconds since 1970; its timestamps are about this time.
        path: With the query.
        headers: Those that matter, in lower case.
        body: Unpacked; `content-encoding` among the headers says how it was packed.
        status: Of the monitor's answer.
    """

    label: str
    at: float
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int

    @property
    def is_envelope(self) -> bool:
        return "/envelope" in self.path or self.path.startswith("/tunnel")


def read_corpus(folder: Path = FOLDER) -> list[Recorded]:
    """Return everything that was recorded, file by file."""
    return [each for path in sorted(folder.glob("*.ndjson.xz")) for each in read_file(path)]


def read_file(path: Path) -> Iterator[Recorded]:
    """Yield the requests in a file, in the order in which they came."""
    with lzma.open(path) as lines:
        for line in lines:
            yield _decode(orjson.loads(line))


def write_file(path: Path, requests: Iterable[Recorded]) -> None:
    """Write requests as a file of the corpus."""
    lines = b"".join(orjson.dumps(_encode(each)) + b"\n" for each in requests)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lzma.compress(lines, preset=9))


def _encode(request: Recorded) -> dict[str, Any]:
    try:
        body = {"body": request.body.decode()}
    except UnicodeDecodeError:
        body = {"base64": base64.b64encode(request.body).decode()}
    return {
        "label": request.label,
        "at": request.at,
        "method": request.method,
        "path": request.path,
        "headers": dict(request.headers),
        "status": request.status,
        **body,
    }


def _decode(line: dict[str, Any]) -> Recorded:
    text, binary = line.pop("body", None), line.pop("base64", None)
    return Recorded(**line, body=base64.b64decode(binary) if text is None else text.encode())
