"""The words of which applications and their bugs are made: what one corpus has, another has not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.grouping.scene import Call, Wording


@dataclass(frozen=True, slots=True)
class Fault:
    """A way in which code fails; `inner` are the library's calls where it is really raised."""

    type: str
    wording: Wording
    inner: tuple[Call, ...] = ()
    type_module: str = ""


@dataclass(frozen=True, slots=True)
class Stack:
    """What a platform's frameworks put around the application's calls.

    Attributes:
        outer: From the server to the application.
        scheduler: Frames that are there when the work runs in a task of its own.
        retry: Frames of a library that tries again.
        alternative: Calls that another version of the same libraries makes instead.
    """

    outer: tuple[Call, ...]
    scheduler: tuple[Call, ...]
    retry: tuple[Call, ...]
    alternative: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Everything that the generator chooses from.

    Attributes:
        modules: Of the application, dotted.
        functions: Verbs and nouns, from which names are made.
        helpers: Small functions that many others call and that raise on their behalf, with the
            module they live in, by platform.
        wrappers: Exceptions that applications make of others.
        platforms: How many bugs of which platform there are.
    """

    modules: Sequence[str]
    verbs: Sequence[str]
    nouns: Sequence[str]
    faults: Mapping[str, Sequence[Fault]]
    stacks: Mapping[str, Stack]
    helpers: Mapping[str, Sequence[tuple[str, str]]]
    wrappers: Sequence[str]
    messages: Sequence[tuple[str, str]]
    policies: Sequence[tuple[str, str]]
    platforms: Mapping[str, int]


def library(*calls: tuple[str, str]) -> tuple[Call, ...]:
    """Return calls of libraries from `(module, function)` pairs."""
    return tuple(Call(module, function, is_app=False) for module, function in calls)
