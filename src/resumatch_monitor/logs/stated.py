"""Reads one section of the configuration as somebody tries it: YAML, JSON, or an object."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from resumatch_monitor.kit.models import ConfigModel
from resumatch_monitor.kit.yamltree import YamlError, YamlTree, parse_yaml

ModelT = TypeVar("ModelT", bound=ConfigModel)
_MOST_MISTAKES = 20


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a section.

    Attributes:
        place: The key, as in `steps[0].pattern`; empty for the whole.
        line: Of the text, counted from 1; None where there is no text.
    """

    place: str
    message: str
    line: int | None = None
    column: int | None = None


class StatedError(Exception):
    """The section cannot be used; `mistakes` says everything that is wrong with it."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__(
            "; ".join(
                f"{each.place}: {each.message}" if each.place else each.message for each in mistakes
            )
        )
        self.mistakes = tuple(mistakes)

    def render(self) -> list[dict[str, Any]]:
        """Return the mistakes for programs."""
        return [asdict(each) for each in self.mistakes]


def read_stated(model: type[ModelT], stated: str | Mapping[str, Any]) -> ModelT:
    """Read a section; it may lack a name, and be the only one of a list.

    Raises:
        StatedError: With every mistake.
    """
    tree: YamlTree | None = None
    value: Any = stated
    if isinstance(stated, str):
        try:
            tree = parse_yaml(stated)
        except YamlError as error:
            place = error.position
            raise StatedError([Mistake("", error.message, place.line, place.column)]) from None
        value = tree.value
    prefix: tuple[str | int, ...] = ()
    if isinstance(value, list) and len(cast("list[Any]", value)) == 1:
        value, prefix = cast("list[Any]", value)[0], (0,)
    if not isinstance(value, dict):
        raise StatedError([Mistake("", "keys and values are expected, as in the configuration")])
    try:
        return model.model_validate({"name": "trial", **cast("dict[str, Any]", value)})
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise StatedError(
            [
                _explain(detail["loc"], detail["msg"], tree, prefix)
                for detail in details[:_MOST_MISTAKES]
            ]
        ) from None


def _explain(
    loc: Sequence[str | int], message: str, tree: YamlTree | None, prefix: Sequence[str | int]
) -> Mistake:
    path = _strip_tag(loc)
    place = ""
    for step in path:
        place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else step
    position = tree.position((*prefix, *path)) if tree is not None else None
    return Mistake(
        place,
        message.removeprefix("Value error, "),
        position and position.line,
        position and position.column,
    )


def _strip_tag(loc: Sequence[str | int]) -> list[str | int]:
    """Leave out the type of a step, which pydantic puts behind its number."""
    is_step = len(loc) > 2 and loc[0] == "steps" and isinstance(loc[1], int)
    return [*loc[:2], *loc[3:]] if is_step else list(loc)
