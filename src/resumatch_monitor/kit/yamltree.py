"""YAML read with the position of every value, so that an error can name line and column."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import yaml

Path = tuple[str | int, ...]
_LARGEST_DOCUMENT_NODES = 200_000
_DEEPEST_NESTING = 100
_PLAIN_TAGS = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})

_SCALAR_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "timestamp")
)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file, both counted from 1."""

    line: int
    column: int


class YamlError(Exception):
    """The text is not the YAML that is expected, with the place where that shows."""

    def __init__(self, message: str, position: Position) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


@dataclass(slots=True)
class YamlTree:
    """A parsed document.

    Attributes:
        value: Plain dicts, lists, strings, numbers, booleans and None.
        values: Where the value at a path stands.
        keys: Where the key that ends a path stands.
    """

    value: object
    values: dict[Path, Position] = field(default_factory=dict[Path, Position])
    keys: dict[Path, Position] = field(default_factory=dict[Path, Position])

    def position(self, path: Sequence[str | int]) -> Position:
        """Return where the value at `path` stands, or its nearest ancestor that exists."""
        steps = tuple(path)
        while steps and steps not in self.values:
            steps = steps[:-1]
        return self.values.get(steps, Position(1, 1))

    def key_position(self, path: Sequence[str | int]) -> Position:
        """Return where the key that ends `path` stands; for a list item, the item itself."""
        return self.keys.get(tuple(path)) or self.position(path)


def parse_yaml(text: str, *, as_text: bool = False) -> YamlTree:
    """Parse one YAML document of plain values.

    Args:
        text: The document.
        as_text: Whether every scalar but null stays the text that was written, as it does where
            a text is expected of it: `1.10`, `0x10` and `yes` are no numbers and no boolean then.

    Raises:
        YamlError: For bad syntax, a key that occurs twice, a tag, or a document whose aliases
            unfold to more than it is reasonable to hold.
    """
    try:
        _refuse_deep_nesting(text)
        loader = yaml.CSafeLoader(text)
        try:
            root = loader.get_single_node()
            tree = YamlTree(None)
            if root is not None:
                tree.value = _Builder(loader, tree, as_text=as_text).build(root, ())
            return tree
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        position = _to_position(error.problem_mark or error.context_mark)
        raise YamlError(error.problem or "this is not YAML", position) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError(
            f"a character that YAML does not allow: {error.reason}", Position(line, 1)
        ) from error


def _refuse_deep_nesting(text: str) -> None:
    """Look at the events alone: the composer calls itself, beyond where the process survives."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST_NESTING:
                position = _to_position(event.start_mark)
                raise YamlError("the document is nested too deeply", position)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Mark(Protocol):
    """What the two parsers' marks share, both counted from 0."""

    @property
    def line(self) -> int: ...

    @property
    def column(self) -> int: ...


def _to_position(mark: _Mark | None) -> Position:
    return Position(1, 1) if mark is None else Position(mark.line + 1, mark.column + 1)


class _Builder:
    """Turns composed nodes into plain values and notes their positions."""

    def __init__(self, loader: yaml.CSafeLoader, tree: YamlTree, *, as_text: bool) -> None:
        self._as_text = as_text
        self._construct = cast(
            "Callable[[yaml.Node], object]", cast("Any", loader).construct_object
        )
        self._tree = tree
        self._count = 0

    def build(self, node: yaml.Node, path: Path) -> object:
        position = _to_position(node.start_mark)
        self._tree.values[path] = position
        self._count += 1
        if self._count > _LARGEST_DOCUMENT_NODES:
            raise YamlError("the document is too large, or its aliases unfold too far", position)
        if len(path) > _DEEPEST_NESTING:
            # An alias of what it stands in never ends.
            raise YamlError("the document is nested too deeply", position)
        if isinstance(node, yaml.CollectionNode) and node.tag not in _PLAIN_TAGS:
            raise YamlError(f"the tag {node.tag} has no meaning here", position)
        if isinstance(node, yaml.MappingNode):
            return self._build_mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            items = cast("list[yaml.Node]", node.value)
            return [self.build(item, (*path, index)) for index, item in enumerate(items)]
        if self._as_text and node.tag in _SCALAR_TAGS:
            return str(node.value)
        return self._construct(node)

    def _build_mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        mapping: dict[str, object] = {}
        pairs = cast("list[tuple[yaml.Node, yaml.Node]]", node.value)
        for key_node, value_node in pairs:
            position = _to_position(key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                raise YamlError("a key must be a plain text", position)
            key = str(key_node.value)
            if key in mapping:
                raise YamlError(f"the key {key!r} occurs twice", position)
            self._tree.keys[(*path, key)] = position
            mapping[key] = self.build(value_node, (*path, key))
        return mapping
