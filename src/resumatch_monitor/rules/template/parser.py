"""Builds the tree of a template."""

import ast
from collections.abc import Callable
from functools import lru_cache

from resumatch_monitor.rules.template.functions import FUNCTIONS
from resumatch_monitor.rules.template.lexer import Segment, Token, TokenKind, split_segments
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
    Template,
    TemplateError,
    Text,
    Variable,
)

_DEEPEST = 50
_BRANCHES = frozenset({"if", "range", "with"})
_LEAPS = frozenset({"break", "continue"})
_MOST_DEFINITIONS = 100
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "nil": None}
_PREDECLARED = frozenset({"$", "$labels", "$value", "$externalLabels", "$externalURL"})


@lru_cache(maxsize=2048)
def parse_template(template: str) -> Template:
    """Parse `template`.

    Raises:
        TemplateError: If it is not well-formed, or names a function, a variable or a template that
            there is not.
    """
    return _Parser(split_segments(template)).parse()


class _Parser:
    """Reads segments one after the other."""

    def __init__(self, segments: list[Segment]) -> None:
        self._segments = segments
        self._position = 0
        self._scopes: list[set[str]] = [set(_PREDECLARED)]
        self._range_depth = 0
        self._definitions: dict[str, tuple[Node, ...]] = {}
        self._invoked: set[str] = set()

    def parse(self) -> Template:
        nodes, ending = self._parse_list()
        if ending is not None:
            raise TemplateError(f"unexpected {{{{{ending[0].text}}}}}")
        for name in sorted(self._invoked - self._definitions.keys()):
            raise TemplateError(f"there is no template {name!r}")
        return Template(nodes, self._definitions)

    def _parse_list(self) -> tuple[tuple[Node, ...], tuple[Token, ...] | None]:
        """Return the nodes up to the next `else` or `end`, and the tokens of that."""
        nodes: list[Node] = []
        while self._position < len(self._segments):
            segment = self._segments[self._position]
            self._position += 1
            if segment.tokens is None:
                nodes.append(Text(segment.text))
                continue
            if not segment.tokens:
                raise TemplateError("an action is empty")
            word = _word_of(segment.tokens[0])
            if word in ("else", "end"):
                return tuple(nodes), segment.tokens
            if word == "define":
                self._parse_definition(segment.tokens)
                continue
            nodes.append(self._parse_action(word, segment.tokens))
        return tuple(nodes), None

    def _parse_action(self, word: str, tokens: tuple[Token, ...]) -> Node:
        if word in _BRANCHES:
            return self._parse_branch(word, tokens[1:])
        if word == "template":
            return self._parse_invocation(tokens)
        if word == "block":
            invocation = self._parse_invocation(tokens)
            self._parse_body(invocation.name)
            return invocation
        if word in _LEAPS:
            if len(tokens) > 1 or not self._range_depth:
                raise TemplateError(f"{{{{{word}}}}} stands alone, inside a range")
            return Leap(word)
        return Action(self._parse_pipeline(tokens))

    def _parse_invocation(self, tokens: tuple[Token, ...]) -> Invocation:
        name = _read_name(tokens)
        self._invoked.add(name)
        rest = tokens[2:]
        return Invocation(name, self._parse_pipeline(rest) if rest else None)

    def _parse_definition(self, tokens: tuple[Token, ...]) -> None:
        if len(self._scopes) > 1:
            raise TemplateError("{{define}} stands outside of other actions")
        name = _read_name(tokens)
        if len(tokens) > 2:
            raise TemplateError("unexpected words after {{define}}")
        self._parse_body(name)

    def _parse_body(self, name: str) -> None:
        """Read up to `end`; only what is handed to the template is known inside of it."""
        if len(self._scopes) > _DEEPEST or len(self._definitions) >= _MOST_DEFINITIONS:
            raise TemplateError("the template is nested too deeply")
        scopes, self._scopes = self._scopes, [{"$"} for _ in range(len(self._scopes) + 1)]
        range_depth, self._range_depth = self._range_depth, 0
        body, ending = self._parse_list()
        if ending is None or ending[0].text != "end" or len(ending) > 1:
            raise TemplateError(f"the template {name!r} has no {{{{end}}}}")
        self._definitions[name] = body
        self._scopes, self._range_depth = scopes, range_depth

    def _parse_branch(self, keyword: str, tokens: tuple[Token, ...]) -> Branch:
        if len(self._scopes) > _DEEPEST:
            raise TemplateError("the template is nested too deeply")
        self._scopes.append(set())
        pipeline = self._parse_pipeline(tokens, allows_two=keyword == "range")
        self._range_depth += keyword == "range"
        body, ending = self._parse_list()
        self._range_depth -= keyword == "range"
        otherwise: tuple[Node, ...] = ()
        if ending is not None and ending[0].text == "else":
            otherwise, ending = self._parse_else(keyword, ending[1:])
        if ending is None:
            raise TemplateError(f"{{{{{keyword}}}}} has no {{{{end}}}}")
        if ending[0].text != "end" or len(ending) > 1:
            raise TemplateError("{{end}} is expected")
        self._scopes.pop()
        return Branch(keyword, pipeline, body, otherwise)

    def _parse_else(
        self, keyword: str, rest: tuple[Token, ...]
    ) -> tuple[tuple[Node, ...], tuple[Token, ...] | None]:
        if not rest:
            return self._parse_list()
        # `else if` shares the outer action's `end`.
        if _word_of(rest[0]) != keyword or keyword == "range":
            raise TemplateError("unexpected words after {{else}}")
        return (self._parse_branch(keyword, rest[1:]),), (Token(TokenKind.WORD, "end"),)

    def _parse_pipeline(self, tokens: tuple[Token, ...], *, allows_two: bool = False) -> Pipeline:
        variables, is_declaration, rest = _split_assignment(tokens)
        if len(variables) > (2 if allows_two else 1):
            raise TemplateError("too many variables are assigned")
        operands = _OperandReader(rest, self._find_variable)
        commands = operands.read_commands(0)
        if not operands.is_at_end:
            raise TemplateError(f"unexpected {operands.peek_text()!r}")
        for name in variables:
            if is_declaration:
                self._scopes[-1].add(name)
            elif not self._find_variable(name):
                raise TemplateError(f"there is no variable {name}")
        return Pipeline(variables, is_declaration, commands)

    def _find_variable(self, name: str) -> bool:
        return any(name in scope for scope in self._scopes)


class _OperandReader:
    """Reads the commands of a pipeline."""

    def __init__(self, tokens: tuple[Token, ...], find_variable: Callable[[str], bool]) -> None:
        self._tokens = tokens
        self._position = 0
        self._find_variable = find_variable

    @property
    def is_at_end(self) -> bool:
        return self._position >= len(self._tokens)

    def peek_text(self) -> str:
        return "" if self.is_at_end else self._tokens[self._position].text

    def read_commands(self, depth: int) -> tuple[tuple[Operand, ...], ...]:
        if depth > _DEEPEST:
            raise TemplateError("the template is nested too deeply")
        commands = [self._read_command(depth)]
        while self.peek_text() == "|":
            self._position += 1
            commands.append(self._read_command(depth))
            if not _is_callable(commands[-1][0]):
                raise TemplateError("a pipeline leads only into functions")
        return tuple(commands)

    def _read_command(self, depth: int) -> tuple[Operand, ...]:
        operands: list[Operand] = []
        while not self.is_at_end and self._tokens[self._position].kind not in (
            TokenKind.SIGN,
            TokenKind.CLOSE,
        ):
            operands.append(self._read_operand(depth))
        if not operands:
            raise TemplateError("a command is missing in a pipeline")
        if len(operands) > 1 and not _is_callable(operands[0]):
            raise TemplateError("only a function takes arguments")
        return tuple(operands)

    def _read_operand(self, depth: int) -> Operand:
        token = self._tokens[self._position]
        self._position += 1
        match token.kind:
            case TokenKind.STRING:
                return Literal(_parse_string(token.text))
            case TokenKind.NUMBER:
                return Literal(_parse_number(token.text))
            case TokenKind.VARIABLE:
                name, *fields = token.text.split(".")
                if not self._find_variable(name):
                    raise TemplateError(f"there is no variable {name}")
                return Variable(name, tuple(fields))
            case TokenKind.FIELD:
                return Dot(tuple(part for part in token.text.split(".") if part))
            case TokenKind.OPEN:
                return self._read_parenthesised(depth)
            case _:
                return _read_word(token.text)

    def _read_parenthesised(self, depth: int) -> Parenthesised:
        commands = self.read_commands(depth + 1)
        if self.is_at_end or self._tokens[self._position].kind is not TokenKind.CLOSE:
            raise TemplateError("a parenthesis is not closed")
        fields = self._tokens[self._position].text.split(".")[1:]
        self._position += 1
        return Parenthesised(Pipeline((), False, commands), tuple(fields))


def _is_callable(operand: Operand) -> bool:
    """Tell whether arguments may follow: a function, or a field that may be a method."""
    if isinstance(operand, Function):
        return True
    return not isinstance(operand, Literal) and bool(operand.fields)


def _read_name(tokens: tuple[Token, ...]) -> str:
    match tokens:
        case (_, Token(TokenKind.STRING, text), *_):
            return _parse_string(text)
        case _:
            raise TemplateError("define, template and block need a name in quotes")


def _word_of(token: Token) -> str:
    return token.text if token.kind is TokenKind.WORD else ""


def _read_word(text: str) -> Operand:
    if text in _CONSTANTS:
        return Literal(_CONSTANTS[text])
    if text not in FUNCTIONS:
        raise TemplateError(f"there is no function {text!r}")
    return Function(text)


def _split_assignment(
    tokens: tuple[Token, ...],
) -> tuple[tuple[str, ...], bool, tuple[Token, ...]]:
    for index, token in enumerate(tokens[:4]):
        if token.kind is TokenKind.SIGN and token.text in (":=", "="):
            names = [each for each in tokens[:index] if each.text != ","]
            if not names or any(
                each.kind is not TokenKind.VARIABLE or "." in each.text or each.text == "$"
                for each in names
            ):
                raise TemplateError("only a variable can be assigned to")
            return tuple(each.text for each in names), token.text == ":=", tokens[index + 1 :]
    return (), False, tokens


def _parse_string(text: str) -> str:
    if text.startswith("`"):
        return text[1:-1]
    try:
        # Go's escapes are Python's, but for a few that rule files do not use.
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError) as error:
        raise TemplateError(f"{text} is not a string") from error


def _parse_number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)
