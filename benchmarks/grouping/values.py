"""What differs from one occurrence of a message to the next."""

import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random

_SLOT = re.compile(r"\{(\w+)\}")
_WORDS = (
    *("anna", "berlin", "q3-report", "Senior Engineer", "résumé final", "north", "beta", "x"),
    *("Łódź", "draft", "O'Brien", "invoice_17", "EUR", "none", "2nd try", "München-Ost"),
)


def _moment(rng: Random) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(31_000_000))


def _hex(rng: Random, digits: int) -> str:
    return f"{rng.getrandbits(4 * digits):0{digits}x}"


_MAKERS: Mapping[str, Callable[[Random], str]] = {
    "int": lambda rng: str(
        rng.choice((rng.randrange(10), rng.randrange(10**6), rng.randrange(99)))
    ),
    "signed": lambda rng: str(rng.randrange(-500, 500)),
    "float": lambda rng: f"{rng.random() * 100:.{rng.randrange(1, 7)}f}",
    "byte": lambda rng: _hex(rng, 2),
    "uuid": lambda rng: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
    "hex": lambda rng: _hex(rng, rng.choice((12, 24, 32, 40))),
    "address": lambda rng: f"0x{_hex(rng, 12)}",
    "ip": lambda rng: ".".join(str(rng.randrange(1, 255)) for _ in range(4)),
    "host": lambda rng: f"{rng.choice(('db', 'cache', 'web'))}-{rng.randrange(40)}.internal",
    "port": lambda rng: str(rng.randrange(1024, 65535)),
    "email": lambda rng: f"{rng.choice(('ada', 'bob.c', 'eve+x'))}{rng.randrange(99)}@mail.example",
    "date": lambda rng: _moment(rng).date().isoformat(),
    "time": lambda rng: _moment(rng).isoformat(),
    "url": lambda rng: (
        f"https://api{rng.randrange(9)}.example.com/v1/{_hex(rng, 8)}?p={rng.random()}"
    ),
    "path": lambda rng: f"/srv/data/{_hex(rng, 6)}/{rng.choice(('a', 'cv', 'x'))}.pdf",
    "word": lambda rng: rng.choice(_WORDS),
    "ints": lambda rng: ", ".join(str(rng.randrange(9999)) for _ in range(rng.randrange(1, 9))),
    "money": lambda rng: f"{rng.randrange(1, 9)},{rng.randrange(100, 999)}.{rng.randrange(10, 99)}",
}


def fill(template: str, rng: Random) -> str:
    """Return `template` with a fresh value in each of its `{slots}`."""
    return _SLOT.sub(
        lambda match: _MAKERS[match[1]](rng) if match[1] in _MAKERS else match[0], template
    )


def make_hex(rng: Random, digits: int) -> str:
    """Return `digits` hexadecimal digits."""
    return _hex(rng, digits)
