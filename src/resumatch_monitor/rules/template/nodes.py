"""What a template consists of once it is parsed."""

from collections.abc import Mapping
from dataclasses import dataclass


class TemplateError(Exception):
    """A template cannot be parsed or expanded."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, a number, `true`, `false` or `nil`."""

    value: str | float | int | bool | None


@dataclass(frozen=True, slots=True)
class Dot:
    """The cursor `.` and fields of it, `.Labels.job`."""

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable and fields of it, `$labels.job`."""

    name: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """The name of a function, the first word of a command or an argument without arguments."""

    name: str


@dataclass(frozen=True, slots=True)
class Parenthesised:
    """A pipeline in parentheses and fields of its value."""

    pipeline: "Pipeline"
    fields: tuple[str, ...]


Operand = Literal | Dot | Variable | Function | Parenthesised


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each given the value of the one before it as its last argument.

    Attributes:
        variables: What the value is assigned to.
        is_declaration: Whether `:=` and not `=` assigns it.
        commands: Never empty.
    """

    variables: tuple[str, ...]
    is_declaration: bool
    commands: tuple[tuple[Operand, ...], ...]


@dataclass(frozen=True, slots=True)
class Text:
    """Text outside of actions."""

    text: str


@dataclass(frozen=True, slots=True)
class Action:
    """A pipeline whose value is printed, unless it is assigned."""

    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Branch:
    """`if`, `with` or `range` with its body and what follows `else`."""

    keyword: str
    pipeline: Pipeline
    body: tuple["Node", ...]
    otherwise: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Invocation:
    """`template "name" pipeline`: the text of another template, with the value as its dot."""

    name: str
    pipeline: Pipeline | None


@dataclass(frozen=True, slots=True)
class Leap:
    """`break` or `continue` inside a `range`."""

    keyword: str


Node = Text | Action | Branch | Invocation | Leap


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template and those that it defines by `define` and `block`."""

    nodes: tuple[Node, ...]
    definitions: Mapping[str, tuple[Node, ...]]
