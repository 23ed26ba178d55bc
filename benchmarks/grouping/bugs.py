"""Makes the bugs of a corpus: single ones, and families of several that look alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random

from benchmarks.grouping.scene import Bug, Call, Wording
from benchmarks.grouping.vocabulary import Fault, Vocabulary

_ANONYMOUS_SOURCES = (
    "rows.map(row => row.salary.amount)",
    "offers.filter(offer => offer.rate.value > limit)",
    "Object.values(skills).forEach(skill => skill.tags.sort())",
    "list.reduce((sum, each) => sum + each.score.total, 0)",
)

Family = Callable[["Maker", str], list[Bug]]


class Maker:
    """Draws names, and none twice for the same kind of failure."""

    def __init__(self, vocabulary: Vocabulary, rng: Random) -> None:
        self.vocabulary = vocabulary
        self.rng = rng
        self._used: set[tuple[str, str, str]] = set()

    def fault(self, platform: str, *, is_own: bool = False) -> Fault:
        """Draw a failure; one that the application's own code raises, if `is_own`."""
        faults = self.vocabulary.faults[platform]
        return self.rng.choice([fault for fault in faults if not (is_own and fault.inner)])

    def call(self, platform: str, module: str = "", function: str = "") -> Call:
        """Draw a place that no bug of the platform has."""
        while True:
            name = function or f"{self._verb()}_{self._noun()}"
            where = module or self.rng.choice(self.vocabulary.modules)
            if (platform, where, name) not in self._used:
                self._used.add((platform, where, name))
                return Call(where, _spell(name, platform), f"result = self.{name}(value)")

    def function(self) -> str:
        """Draw a name that may be used again elsewhere."""
        return f"{self._verb()}_{self._noun()}"

    def _verb(self) -> str:
        return self.rng.choice(self.vocabulary.verbs)

    def _noun(self) -> str:
        return self.rng.choice(self.vocabulary.nouns)


def _spell(name: str, platform: str) -> str:
    if platform == "python":
        return name
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


def _bug(name: str, platform: str, fault: Fault, *calls: Call) -> Bug:
    return Bug(
        name=name,
        platform=platform,
        type=fault.type,
        wording=fault.wording,
        calls=calls,
        inner=fault.inner,
        type_module=fault.type_module,
    )


def _single(maker: Maker, platform: str) -> list[Bug]:
    return [_bug("single", platform, maker.fault(platform), maker.call(platform))]


def _same_function_elsewhere(maker: Maker, platform: str) -> list[Bug]:
    fault, function = maker.fault(platform), maker.function()
    calls = [maker.call(platform, function=function) for _ in range(2)]
    return [_bug("same function elsewhere", platform, fault, call) for call in calls]


def _same_module(maker: Maker, platform: str) -> list[Bug]:
    fault, first = maker.fault(platform), maker.call(platform)
    second = maker.call(platform, module=first.module)
    return [_bug("same module", platform, fault, call) for call in (first, second)]


def _same_place(maker: Maker, platform: str) -> list[Bug]:
    faults = {fault.type: fault for fault in maker.vocabulary.faults[platform]}
    call = maker.call(platform)
    chosen = maker.rng.sample(sorted(faults), 2)
    return [_bug("same place", platform, faults[kind], call) for kind in chosen]


def _shared_helper(maker: Maker, platform: str) -> list[Bug]:
    module, function = maker.rng.choice(maker.vocabulary.helpers[platform])
    helper = Call(module, _spell(function, platform), "raise self._error_of(answer)")
    fault = maker.fault(platform)
    return [_bug("shared helper", platform, fault, maker.call(platform), helper) for _ in range(3)]


def _central_wrapper(maker: Maker, platform: str) -> list[Bug]:
    wrapper = maker.rng.choice(maker.vocabulary.wrappers)
    return [
        replace(
            _bug("central wrapper", platform, maker.fault(platform), maker.call(platform)),
            wrapper=wrapper,
        )
        for _ in range(2)
    ]


def _recursion(maker: Maker, platform: str) -> list[Bug]:
    first = maker.call(platform)
    second = maker.call(platform, module=first.module)
    bug = _bug("recursion", platform, maker.fault(platform, is_own=True), first, second)
    return [replace(bug, is_repeated=True)]


def _anonymous(maker: Maker, platform: str) -> list[Bug]:
    fault, outer = maker.fault(platform, is_own=True), maker.call(platform)
    sources = maker.rng.sample(_ANONYMOUS_SOURCES, 2)
    name = "<lambda>" if platform == "python" else "<anonymous>"
    return [
        _bug("anonymous", platform, fault, outer, Call(outer.module, name, source))
        for source in sources
    ]


def _library_only(maker: Maker, platform: str) -> list[Bug]:
    faults = [fault for fault in maker.vocabulary.faults[platform] if fault.inner]
    fault = maker.rng.choice(faults)
    return [_bug("library only", platform, fault)]


_COMMON: tuple[tuple[Family, int], ...] = (
    (_single, 8),
    (_same_function_elsewhere, 2),
    (_same_module, 2),
    (_same_place, 2),
)
_FAMILIES: Mapping[str, Sequence[tuple[Family, int]]] = {
    "python": (
        *_COMMON,
        *((_shared_helper, 2), (_central_wrapper, 2), (_recursion, 1), (_anonymous, 1)),
        (_library_only, 1),
    ),
    "node": (*_COMMON, (_shared_helper, 2), (_central_wrapper, 1), (_anonymous, 1)),
    "browser": (*_COMMON, (_shared_helper, 2), (_central_wrapper, 1), (_anonymous, 1)),
    "minified": _COMMON,
    "other": _COMMON,
}


def make_bugs(vocabulary: Vocabulary, rng: Random) -> list[Bug]:
    """Return as many bugs as the vocabulary's platforms say, with unique names."""
    maker = Maker(vocabulary, rng)
    bugs: list[Bug] = []
    for platform, count in vocabulary.platforms.items():
        if platform == "message":
            bugs += _messages(vocabulary)[:count]
        elif platform == "csp":
            bugs += _policies(vocabulary)[:count]
        else:
            bugs += _draw(maker, platform, count)
    return [replace(bug, name=f"{bug.name} #{number}") for number, bug in enumerate(bugs)]


def _draw(maker: Maker, platform: str, count: int) -> list[Bug]:
    bugs: list[Bug] = []
    families, weights = zip(*_FAMILIES[platform], strict=True)
    has_library_only: set[str] = set()
    while len(bugs) < count:
        made = maker.rng.choices(families, weights)[0](maker, platform)
        if made[0].name == "library only":
            # Without a call of the application's own, the failure itself is the bug.
            if made[0].type in has_library_only:
                continue
            has_library_only.add(made[0].type)
        bugs += made
    return bugs[:count]


def _messages(vocabulary: Vocabulary) -> list[Bug]:
    return [
        replace(_bug("message", "message", Fault("", Wording(text))), logger=logger)
        for logger, text in vocabulary.messages
    ]


def _policies(vocabulary: Vocabulary) -> list[Bug]:
    return [
        replace(
            _bug("policy", "csp", Fault("", Wording(""))),
            extra={"directive": directive, "blocked": blocked},
        )
        for directive, blocked in vocabulary.policies
    ]
