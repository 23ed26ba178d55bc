"""Everything that an expression is made of."""

from collections.abc import Iterator

from resumatch_monitor.promql import ast


def find_nodes(node: ast.Expr) -> Iterator[ast.Expr]:
    """Yield `node` and everything in it."""
    yield node
    match node:
        case ast.Subquery() | ast.Negation():
            yield from find_nodes(node.expr)
        case ast.MatrixSelector():
            yield node.selector
        case ast.Call():
            for argument in node.args:
                yield from find_nodes(argument)
        case ast.Aggregation():
            yield from find_nodes(node.expr)
            if node.param is not None:
                yield from find_nodes(node.param)
        case ast.Binary():
            yield from find_nodes(node.lhs)
            yield from find_nodes(node.rhs)
        case _:
            return


def list_selectors(node: ast.Expr) -> list[ast.VectorSelector]:
    """Return every selector in `node`, those of ranges too."""
    return [each for each in find_nodes(node) if isinstance(each, ast.VectorSelector)]
