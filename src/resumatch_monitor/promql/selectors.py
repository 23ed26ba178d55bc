"""The selectors of a query."""

import dataclasses
from collections.abc import Iterator
from typing import Any, cast

from resumatch_monitor.promql import ast


def find_selectors(node: ast.Expr) -> list[ast.VectorSelector]:
    """Return every selector in `node`, those of ranges and subqueries included, from the left."""
    return list(_walk(node))


def _walk(node: object) -> Iterator[ast.VectorSelector]:
    if isinstance(node, ast.VectorSelector):
        yield node
    elif isinstance(node, tuple):
        for each in cast("tuple[object, ...]", node):
            yield from _walk(each)
    elif dataclasses.is_dataclass(node):
        # Whatever the language gains is walked through without being named here.
        for field in dataclasses.fields(cast("Any", node)):
            yield from _walk(getattr(node, field.name))
