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
from resumatch_monitor.rules.template.go_time import GoTime
from resumatch_monitor.rules.template.nodes import (
    Action,
    Branch,
    Dot,
    Function,
    Invocation,
    Leap,
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
from resumatch_monitor.rules.template.weight import weigh

__all__ = ["QueryNeededError", "TemplateData", "TemplateSample", "expand_template"]

MOST_STEPS = 20_000
LONGEST_OUTPUT = 32 * 1024
_HEAVIEST_VALUES = 4 * LONGEST_OUTPUT
_CHARACTERS_A_STEP = 2048
_DEEPEST = 100
"""Branches and templates inside each other while a template is expanded."""


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
        now_seconds: The moment of the evaluation, since the epoch.
        query_results: By query; a query that is missing here raises `QueryNeededError`.
    """

    labels: Mapping[str, str]
    value: float
    external_labels: Mapping[str, str] = field(default_factory=dict[str, str])
    external_url: str = ""
    now_seconds: float = 0.0
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
    parsed = parse_template(template)
    run = _Run(data, parsed.definitions)
    run.render(parsed.nodes, run.root)
    return "".join(run.output)


class _LeapError(Exception):
    """Leaves the body of a `range`."""

    def __init__(self, keyword: str) -> None:
        super().__init__(keyword)
        self.keyword = keyword


class _Run:
    """One expansion: the variables, the output, and how much work was done."""

    def __init__(self, data: TemplateData, definitions: Mapping[str, Sequence[Node]]) -> None:
        self._definitions = definitions
        self._depth = 0
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

        self._context = FunctionContext(
            data.external_url, find_result, data.now_seconds, self._render_apart
        )

    def render(self, nodes: Sequence[Node], dot: object) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise TemplateError("the template is nested too deeply")
        for node in nodes:
            self._count_step()
            match node:
                case Text(text):
                    self._write(text)
                case Action(pipeline):
                    value = self._evaluate(pipeline, dot)
                    if not pipeline.variables:
                        self._weigh((value,))
                        self._write(format_value(value))
                case Branch():
                    self._render_branch(node, dot)
                case Invocation(name, pipeline):
                    value = None if pipeline is None else self._evaluate(pipeline, dot)
                    self._render_definition(name, value)
                case Leap(keyword):
                    raise _LeapError(keyword)
        self._depth -= 1

    def _render_definition(self, name: str, dot: object) -> None:
        if name not in self._definitions:
            raise TemplateError(f"there is no template {name!r}")
        scopes, self._scopes = self._scopes, [{"$": dot}]
        self.render(self._definitions[name], dot)
        self._scopes = scopes

    def _render_apart(self, name: str, dot: object) -> str:
        """Return the text of a template instead of writing it."""
        output, self.output = self.output, []
        self._render_definition(name, dot)
        text = "".join(self.output)
        self.output = output
        self._length -= len(text)
        return text

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
        depth, scope_count = self._depth, len(self._scopes)
        for key, item in items:
            scope: dict[str, object] = {}
            if names:
                scope[names[-1]] = item
            if len(names) == 2:
                scope[names[0]] = key
            self._scopes.append(scope)
            try:
                self.render(branch.body, item)
            except _LeapError as leap:
                self._depth = depth
                if leap.keyword == "break":
                    break
            finally:
                del self._scopes[scope_count:]
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
        if not arguments and not extra:
            return self._resolve(head, dot)
        values = [*(self._resolve(operand, dot) for operand in arguments), *extra]
        return self._resolve(head, dot, values)

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
        self._weigh(values)
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

    def _resolve(self, operand: Operand, dot: object, arguments: Sequence[object] = ()) -> object:
        match operand:
            case Literal(value):
                return value
            case Dot(fields):
                return _find_field(dot, fields, arguments)
            case Variable(name, fields):
                return _find_field(self._find_scope(name)[name], fields, arguments)
            case Function(name):
                return self._call(name, (), dot, ())
            case Parenthesised(pipeline, fields):
                return _find_field(self._evaluate(pipeline, dot), fields, arguments)

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

    def _weigh(self, values: Sequence[object]) -> None:
        """Refuse values that are too large to be worked on; large ones count as many steps."""
        weight = weigh(values, _HEAVIEST_VALUES)
        if weight > _HEAVIEST_VALUES:
            raise TemplateError(f"a value is larger than {_HEAVIEST_VALUES} characters")
        self._count_step(weight // _CHARACTERS_A_STEP)

    def _count_step(self, count: int = 1) -> None:
        self._steps += count
        if self._steps > MOST_STEPS:
            raise TemplateError(f"the template takes more than {MOST_STEPS} steps")


def _find_field(value: object, fields: Sequence[str], arguments: Sequence[object]) -> object:
    for position, name in enumerate(fields):
        own = arguments if position == len(fields) - 1 else ()
        if isinstance(value, GoTime):
            value = value.call(name, own)
            continue
        if own:
            raise TemplateError(f"{name} is no method but has arguments")
        if isinstance(value, Mapping):
            # Go's `missingkey=zero`: a label that is not there is an empty text.
            mapping = cast("Mapping[str, object]", value)
            value = mapping.get(name, "")
        elif isinstance(value, TemplateSample) and name in ("Labels", "Value"):
            value = value.labels if name == "Labels" else value.value
        else:
            raise TemplateError(f"there is no field {name} in {format_value(value)[:100]}")
    return value


def _find_items(value: object) -> list[tuple[object, object]]:
    if isinstance(value, Mapping):
        return sorted(cast("Mapping[object, object]", value).items(), key=lambda pair: str(pair[0]))
    if isinstance(value, list):
        return list(enumerate(cast("list[object]", value)))
    if value is None or value == "":
        return []
    raise TemplateError(f"{format_value(value)} cannot be ranged over")
