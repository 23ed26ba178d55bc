"""Takes out of what clients sent the machine on which they ran."""

import re
import socket
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import orjson

_LENGTH = re.compile(rb'("length"\s*:\s*)\d+')
_REPOSITORY = Path(__file__).parents[2]


def find_replacements(folder: Path) -> dict[bytes, bytes]:
    """Return what stands for the paths of this machine and for its name.

    Args:
        folder: In which the clients run.
    """
    paths = {
        str(folder): "/srv/app",
        sysconfig.get_paths()["purelib"]: "/srv/venv/lib/python/site-packages",
        str(Path(sysconfig.get_paths()["purelib"]).resolve()): "/srv/venv/lib/python/site-packages",
        sysconfig.get_paths()["stdlib"]: "/usr/lib/python",
        str(_REPOSITORY): "/srv/repository",
        str(_REPOSITORY.resolve()): "/srv/repository",
        sys.prefix: "/srv/venv",
        str(Path(sys.prefix).resolve()): "/srv/venv",
        str(Path.home()): "/home/app",
    }
    # A longer path first: it may begin with a shorter one. `/root` stands in no longer word.
    found = {
        key.encode(): value.encode()
        for key, value in sorted(paths.items(), key=lambda pair: -len(pair[0]))
        if len(key) > 1
    }
    host = socket.gethostname()
    # Only as a whole value: a short name may be part of any word.
    return {**found, f'"{host}"'.encode(): b'"app-host"'}


def clean_body(body: bytes, replacements: Mapping[bytes, bytes], *, is_envelope: bool) -> bytes:
    """Return `body` without what is replaced; an envelope's lengths are right again."""
    if not is_envelope:
        return _replace(body, replacements)
    line, _, rest = body.partition(b"\n")
    parts = [_replace(line, replacements)]
    while rest:
        header, _, rest = rest.partition(b"\n")
        if not header.strip():
            continue
        length = orjson.loads(header).get("length")
        if length is None:
            payload, _, rest = rest.partition(b"\n")
        else:
            payload, rest = rest[:length], rest[length:].removeprefix(b"\n")
        cleaned = _replace(payload, replacements)
        size = len(cleaned)
        parts.append(_LENGTH.sub(lambda found, size=size: b"%b%d" % (found[1], size), header))
        parts.append(cleaned)
    return b"\n".join(parts) + (b"\n" if body.endswith(b"\n") else b"")


def _replace(text: bytes, replacements: Mapping[bytes, bytes]) -> bytes:
    for found, instead in replacements.items():
        text = text.replace(found, instead)
    return text


def find_leaks(body: bytes, folder: Path) -> list[str]:
    """Return what of this machine is still in `body`, with what stands around it."""
    known = (str(folder), str(_REPOSITORY), str(Path.home()), sys.prefix, socket.gethostname())
    words = "|".join(re.escape(each) for each in known)
    # The machine's name may be a short word: as a part of another one it says nothing.
    pattern = re.compile(rf"(?<![\w.-])(?:{words})(?![\w-])")
    text = body.decode(errors="replace")
    return [text[max(0, each.start() - 40) : each.end() + 20] for each in pattern.finditer(text)]
