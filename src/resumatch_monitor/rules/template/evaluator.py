"""Expands a template with the data of one alert."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from resumatch_monitor.rules.template.functions import (
    FUNCTIONS,
    FunctionContext,
    TemplateSample,
    is_true,
)
from resumatch_monitor.rules.template.go_format import format_value
from resumatch_monitor.rules.template.nodes import (
    Action,
    Branch,
    Dot,
    Function,
    Literal,
    Node,
    Operand,
    Parenthesised,
    Pipeline,
    TemplateError,
    Text,
    Variable,
)
from resumatch_monitor.rules.template.parser import parse_template

__all__ = ["QueryNeededError", "TemplateData", "TemplateSample", "expand_template"]

MOST_STEPS = 20_000
LONGEST_OUTPUT = 32 * 1024


class QueryNeededError(Exception):
    """The template asks for a query whose result it was not given; expand again with it."""

    def __init__(self, query: str) -> None:
        super().__init__(query)
        self.query = query


@dataclass(frozen=True, slots=True)
class TemplateData:
    """What a template can show.

    Attributes:
        labels: Of the series that raised the alert.
        value: Of that series.
        external_labels: The monitor's own.
        external_url: Where people reach the monitor.
        query_results: By query; a query that is missing here raises `QueryNeededError`.
    """

    labels: Mapping[str, str]
    value: float
    external_labels: Mapping[str, str] = field(default_factory=dict[str, str])
    external_url: str = ""
    query_results: Mapping[str, Sequence[TemplateSample]] = field(
        default_factory=dict[str, Sequence[TemplateSample]]
    )


def expand_template(template: str, data: TemplateData) -> str:
    """Return `template` with its actions replaced by their values.

    Raises:
        TemplateError: If it is not well-formed, fails, or would take too long.
        QueryNeededError: If it asks for a query.
    """
    if "{{" not in template:
        return template
    nodes = parse_template(template)
    run = _Run(data)
    run.render(nodes, run.root)
    return "".join(run.output)


class _Run:
    """One expansion: the variables, the output, and how much work was done."""

    def __init__(self, data: TemplateData) -> None:
        self.root: object = {
            "Labels": data.labels,
            "Value": data.value,
            "ExternalLabels": data.external_labels,
            "ExternalURL": data.external_url,
        }
        self.output: list[str] = []
        self._length = 0
        self._steps = 0
        self._scopes: list[dict[str, object]] = [
            {
                "$": self.root,
                "$labels": data.labels,
                "$value": data.value,
                "$externalLabels": data.external_labels,
                "$externalURL": data.external_url,
            }
        ]

        def find_result(query: str) -> Sequence[TemplateSample]:
            if query not in data.query_results:
                raise QueryNeededError(query)
            return data.query_results[query]

        self._context = FunctionContext(data.external_url, find_result)

    def render(self, nodes: Sequence[Node], dot: object) -> None:
        for node in nodes:
            self._count_step()
            match node:
                case Text(text):
                    self._write(text)
                case Action(pipeline):
                    value = self._evaluate(pipeline, dot)
                    if not pipeline.variables:
                        self._write(format_value(value))
                case Branch():
                    self._render_branch(node, dot)

    def _render_branch(self, branch: Branch, dot: object) -> None:
        self._scopes.append({})
        if branch.keyword == "range":
            self._render_range(branch, dot)
        else:
            value = self._evaluate(branch.pipeline, dot)
            if is_true(value):
                self.render(branch.body, value if branch.keyword == "with" else dot)
            else:
                self.render(branch.otherwise, dot)
        self._scopes.pop()

    def _render_range(self, branch: Branch, dot: object) -> None:
        value = self._evaluate(branch.pipeline, dot, assigns=False)
        items = _find_items(value)
        names = branch.pipeline.variables
        for key, item in items:
            scope: dict[str, object] = {}
            if names:
                scope[names[-1]] = item
            if len(names) == 2:
                scope[names[0]] = key
            self._scopes.append(scope)
            self.render(branch.body, item)
            self._scopes.pop()
        if not items:
            self.render(branch.otherwise, dot)

    def _evaluate(self, pipeline: Pipeline, dot: object, *, assigns: bool = True) -> object:
        value: object = None
        for position, command in enumerate(pipeline.commands):
            extra = () if position == 0 else (value,)
            value = self._run_command(command, dot, extra)
        if assigns:
            for name in pipeline.variables:
                self._assign(name, value, is_declaration=pipeline.is_declaration)
        return value

    def _run_command(
        self, command: Sequence[Operand], dot: object, extra: tuple[object, ...]
    ) -> object:
        head, *arguments = command
        if isinstance(head, Function):
            return self._call(head.name, arguments, dot, extra)
        return self._resolve(head, dot)

    def _call(
        self, name: str, operands: Sequence[Operand], dot: object, extra: tuple[object, ...]
    ) -> object:
        self._count_step()
        function = FUNCTIONS[name]
        count = len(operands) + len(extra)
        if count < function.min_arguments or (
            function.max_arguments is not None and count > function.max_arguments
        ):
            raise TemplateError(f"{name}: does not take {count} arguments")
        if name in ("and", "or"):
            return self._call_logical(name, operands, dot, extra)
        values = [*(self._resolve(operand, dot) for operand in operands), *extra]
        try:
            return function.body(self._context, values)
        except TemplateError as error:
            raise TemplateError(f"{name}: {error}") from error
        except (ValueError, OverflowError, RecursionError) as error:
            raise TemplateError(f"{name}: {error}") from error

    def _call_logical(
        self, name: str, operands: Sequence[Operand], dot: object, extra: tuple[object, ...]
    ) -> object:
        value: object = None
        for operand in operands:
            value = self._resolve(operand, dot)
            if is_true(value) is (name == "or"):
                return value
        return extra[0] if extra else value

    def _resolve(self, operand: Operand, dot: object) -> object:
        match operand:
            case Literal(value):
                return value
            case Dot(fields):
                return _find_field(dot, fields)
            case Variable(name, fields):
                return _find_field(self._find_scope(name)[name], fields)
            case Function(name):
                return self._call(name, (), dot, ())
            case Parenthesised(pipeline, fields):
                return _find_field(self._evaluate(pipeline, dot), fields)

    def _find_scope(self, name: str) -> dict[str, object]:
        for scope in reversed(self._scopes):
            if name in scope:
                return scope
        raise TemplateError(f"there is no variable {name}")

    def _assign(self, name: str, value: object, *, is_declaration: bool) -> None:
        scope = self._scopes[-1] if is_declaration else self._find_scope(name)
        scope[name] = value

    def _write(self, text: str) -> None:
        self._length += len(text)
        if self._length > LONGEST_OUTPUT:
            raise TemplateError(f"the text becomes longer than {LONGEST_OUTPUT} characters")
        self.output.append(text)

    def _count_step(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise TemplateError(f"the template takes more than {MOST_STEPS} steps")


def _find_field(value: object, fields: Sequence[str]) -> object:
    for name in fields:
        if isinstance(value, Mapping):
            # Go's `missingkey=zero`: a label that is not there is an empty text.
            mapping = cast("Mapping[str, object]", value)
            value = mapping.get(name, "")
        elif isinstance(value, TemplateSample) and name in ("Labels", "Value"):
            value = value.labels if name == "Labels" else value.value
        else:
            raise TemplateError(f"there is no field {name} in {format_value(value)}")
    return value


def _find_items(value: object) -> list[tuple[object, object]]:
    if isinstance(value, Mapping):
        return sorted(cast("Mapping[object, object]", value).items(), key=lambda pair: str(pair[0]))
    if isinstance(value, list):
        return list(enumerate(cast("list[object]", value)))
    if value is None or value == "":
        return []
    raise TemplateError(f"{format_value(value)} cannot be ranged over")
