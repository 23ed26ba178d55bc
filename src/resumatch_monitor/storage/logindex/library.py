"""What of tantivy has no types of its own, with types."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import tantivy


def aggregate(
    searcher: tantivy.Searcher, query: tantivy.Query, aggregations: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the answers of aggregations, by their names, in the form of Elasticsearch's."""
    answer = searcher.aggregate(query, dict(aggregations))  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
    return cast("dict[str, Any]", answer)


def count(searcher: tantivy.Searcher, query: tantivy.Query) -> int:
    """Return how many documents match."""
    # The library panics on a limit of 0.
    result = cast("Any", searcher.search(query, limit=1, count=True))
    return int(result.count)


def find_places(
    searcher: tantivy.Searcher,
    query: tantivy.Query,
    *,
    limit: int,
    order: tantivy.Order = tantivy.Order.Desc,
) -> list[tuple[int, int]]:
    """Return place (`seq`) and row of the documents that match, in the order of their places."""
    hits = searcher.search(query, limit=limit, count=False, order_by_field="seq", order=order).hits
    rows = searcher.fast_field_values("row", [address for _, address in hits])
    return [(int(seq), int(row or 0)) for (seq, _), row in zip(hits, rows, strict=True)]


def make_document(values: Mapping[str, Any], schema: tantivy.Schema) -> tantivy.Document:
    """Return a document of an index."""
    return tantivy.Document.from_dict(dict(values), schema)  # pyright: ignore[reportUnknownMemberType]


def any_of(queries: Sequence[tantivy.Query]) -> tantivy.Query:
    """Return what finds what any of `queries` finds; nothing, if there are none."""
    if not queries:
        return tantivy.Query.empty_query()
    if len(queries) == 1:
        return queries[0]
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in queries])


def all_of(queries: Sequence[tantivy.Query]) -> tantivy.Query:
    """Return what finds what all of `queries`, at least one, find."""
    if len(queries) == 1:
        return queries[0]
    return tantivy.Query.boolean_query([(tantivy.Occur.Must, query) for query in queries])
