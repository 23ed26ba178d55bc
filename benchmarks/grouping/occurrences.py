"""One occurrence of a bug: which calls, which chain of exceptions, before a platform writes it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from zlib import crc32

from benchmarks.grouping.scene import Bug, Call, Occurrence, Wording
from benchmarks.grouping.values import fill
from benchmarks.grouping.vocabulary import Stack

_ENTRIES = (
    ("api.routes", "handle_{}"),
    ("api.webhooks", "on_{}"),
    ("tasks.nightly", "run_{}"),
    ("cli.commands", "{}_command"),
)


@dataclass(frozen=True, slots=True)
class Raised:
    """One exception of a chain.

    Attributes:
        link: How it hangs on the one before it in the list, which it was raised after: `cause`,
            `context` or `member` of a group; empty for none.
    """

    type: str
    module: str
    value: str
    calls: tuple[Call, ...]
    link: str = ""
    is_group: bool = False


def raise_chain(occurrence: Occurrence, stack: Stack) -> list[Raised]:
    """Return what is raised, the root cause first, as Sentry orders it."""
    bug, rng = occurrence.bug, occurrence.rng
    calls = _reach(occurrence, stack)
    own = _repeat(bug, occurrence)
    root = Raised(bug.type, bug.type_module, _say(occurrence), (*calls, *own, *bug.inner))
    chain = [root]
    if bug.wrapper:
        chain = _wrap(chain, bug.wrapper, "request {uuid} failed", len(calls), rng)
    shape = _SHAPES.get(occurrence.variation)
    if shape:
        chain = shape(chain, len(calls), rng)
    if bug.platform == "python":
        return chain
    # Everywhere else a stack reaches from where the exception was made to the outermost call.
    return [*(replace(each, calls=root.calls) for each in chain[:-1]), chain[-1]]


def _say(occurrence: Occurrence) -> str:
    wording: Wording = occurrence.bug.wording
    text = wording.text
    if occurrence.variation == "locale" and wording.foreign:
        text = wording.foreign
    if occurrence.variation == "engine":
        text = occurrence.rng.choice([wording.text, wording.firefox, wording.safari]) or text
    return fill(text, occurrence.rng)


def _reach(occurrence: Occurrence, stack: Stack) -> tuple[Call, ...]:
    """Return the calls from the server to where every way to the bug begins."""
    bug, rng = occurrence.bug, occurrence.rng
    if not bug.calls:
        return stack.outer
    outer = list(stack.outer)
    if occurrence.variation == "libraries":
        outer = [rng.choice((call, *stack.alternative)) for call in outer if rng.random() < 0.8]
        outer += rng.sample(stack.alternative, rng.randrange(len(stack.alternative)))
    if occurrence.variation == "async":
        outer = list(rng.sample(stack.scheduler, rng.randrange(1, len(stack.scheduler) + 1)))
    own = list(_entry(bug, rng.randrange(4) if occurrence.variation == "entry" else 0))
    if occurrence.variation == "retry":
        own += list(stack.retry) * rng.randrange(1, 4)
    return (*outer, *own)


def _entry(bug: Bug, number: int) -> tuple[Call, ...]:
    """Return the calls of one of the ways to a bug; the same number is always the same way."""
    noun = bug.calls[0].module.rpartition(".")[2]
    # Several bugs lie behind one endpoint.
    chosen = (crc32(noun.encode()) + number) % len(_ENTRIES)
    module, function = _ENTRIES[chosen]
    first = Call(module, function.format(noun), f"return {noun}.handle(request)")
    if number % 2:
        return (first,)
    second = Call(bug.calls[0].module, f"{noun}_service", "return self._do(request)")
    return (first, second)


def _repeat(bug: Bug, occurrence: Occurrence) -> tuple[Call, ...]:
    if not bug.is_repeated:
        return bug.calls
    depth = occurrence.rng.randrange(1, 25) if occurrence.variation == "recursion" else 3
    return bug.calls * depth


def _wrap(chain: Sequence[Raised], name: str, says: str, depth: int, rng: Random) -> list[Raised]:
    """Return the chain with an exception that the application made of the one raised last.

    What is caught has the calls from the one that caught it on; the new one those up to it.
    """
    *before, last = chain
    caught = Raised(
        last.type, last.module, last.value, last.calls[depth - 1 :], last.link, last.is_group
    )
    return [
        *before,
        caught,
        Raised(name, "app.errors", fill(says, rng), last.calls[:depth], "cause"),
    ]


def _shape_wrapped(chain: list[Raised], depth: int, rng: Random) -> list[Raised]:
    own = [number for number, call in enumerate(chain[-1].calls) if call.is_app]
    if not own or len(chain) > 1:
        return chain
    return _wrap(chain, "OperationFailed", "could not serve {uuid}", rng.choice(own) + 1, rng)


def _shape_group(chain: list[Raised], depth: int, rng: Random) -> list[Raised]:
    last = chain[-1]
    split = rng.randrange(max(1, depth))
    inner = Raised(last.type, last.module, last.value, last.calls[split:], "member", last.is_group)
    if len(chain) > 1:
        return chain
    count = rng.choice((1, 1, 1, 2))
    group = Raised(
        "ExceptionGroup",
        "",
        f"unhandled errors in a TaskGroup ({count} sub-exception{'s' * (count > 1)})",
        last.calls[:split],
        is_group=True,
    )
    return [*[inner] * count, group]


def _shape_handling(chain: list[Raised], depth: int, rng: Random) -> list[Raised]:
    """The bug shows while something unrelated and harmless is being handled."""
    last = chain[-1]
    if len(chain) > 1 or not any(call.is_app for call in last.calls[:depth]):
        return chain
    missed = Raised(
        "KeyError",
        "builtins",
        fill("'{hex}'", rng),
        (last.calls[depth - 1], Call("core.cache", "read_cached", "return self._entries[key]")),
    )
    shown = Raised(last.type, last.module, last.value, last.calls, "context")
    return [missed, shown]


_SHAPES: Mapping[str, Callable[[list[Raised], int, Random], list[Raised]]] = {
    "wrapped": _shape_wrapped,
    "group": _shape_group,
    "handling": _shape_handling,
}
