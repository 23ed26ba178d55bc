"""What a bug is: where it is raised and how it is reached, before an SDK writes it down."""

from dataclasses import dataclass, field
from random import Random


@dataclass(frozen=True, slots=True)
class Call:
    """A function that is being run.

    Attributes:
        module: Dotted, without the name of the application's package root.
        source: The line that is being run.
    """

    module: str
    function: str
    source: str = ""
    is_app: bool = True


@dataclass(frozen=True, slots=True)
class Wording:
    """What an exception says: by language, and by browser engine."""

    text: str
    foreign: str = ""
    firefox: str = ""
    safari: str = ""


@dataclass(frozen=True, slots=True)
class Bug:
    """A defect, which every event of it shows.

    Attributes:
        name: Unique; its first part is the family of bugs that look alike.
        calls: From the one that reaches the defect on every way to the one that raises.
        inner: Library calls below that, where the exception is really raised.
        is_repeated: The two innermost calls call each other to a depth that is chance.
        wrapper: What a central place makes of every exception that passes it; empty for nothing.
    """

    name: str
    platform: str
    type: str
    wording: Wording
    calls: tuple[Call, ...]
    inner: tuple[Call, ...] = ()
    type_module: str = ""
    is_repeated: bool = False
    wrapper: str = ""
    logger: str = ""
    extra: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Under which circumstances a bug shows.

    Attributes:
        variation: What is special about it.
        release: Counts from 0; lines and minified names differ between releases.
    """

    bug: Bug
    variation: str
    release: int
    rng: Random
