"""What is taken out of spans before anything of them is stored."""

import pytest

from resumatch_monitor.sentry.scrub import Scrubber
from resumatch_monitor.tracing.attributes import read_attributes
from resumatch_monitor.tracing.cleaning import clean
from resumatch_monitor.tracing.config import SpanLimits
from resumatch_monitor.tracing.drafts import Draft


@pytest.mark.parametrize("length", [20, 5_000])
def test_a_text_in_a_statement_is_taken_out_even_if_its_end_was_cut_off(length: int) -> None:
    statement = "INSERT INTO letters VALUES ('first', 'Dear Mallory " + "x" * length + "')"
    attributes = read_attributes({"db.query.text": statement}, SpanLimits())
    draft = Draft("a" * 32, "b" * 16, op="db", name=statement, attributes=attributes)

    clean([draft], Scrubber())

    for text in (draft.name, draft.attributes["db.query.text"]):
        assert text.startswith("INSERT INTO letters VALUES (?, ?")
        assert "Mallory" not in text


@pytest.mark.parametrize(
    ("system", "statement"),
    [
        ("mysql", "SELECT * FROM t WHERE a = \"Mallory's\" AND b = 'it\\'s Mallory'"),
        ("postgresql", "SELECT * FROM t WHERE a = $$it's Mallory$$ AND b = E'\\'Mallory'"),
        ("postgresql", "SELECT * FROM t WHERE a = 'C:\\' AND b = 'Mallory'"),
    ],
)
@pytest.mark.parametrize("key", ["db.system", "db.system.name"])
def test_a_value_is_taken_out_as_its_database_quotes_it(
    key: str, system: str, statement: str
) -> None:
    attributes = read_attributes({"db.statement": statement, key: system}, SpanLimits())
    draft = Draft("a" * 32, "b" * 16, op="db", name=statement, attributes=attributes)

    clean([draft], Scrubber())

    for text in (draft.name, draft.attributes["db.query.text"]):
        assert text == "SELECT * FROM t WHERE a = ? AND b = ?"


def test_a_segment_that_is_a_query_is_named_without_its_values() -> None:
    statement = "SELECT * FROM t WHERE a = 'Mallory'"
    draft = Draft(
        "a" * 32, "b" * 16, op="db", name=statement, segment_name=statement, is_segment=True
    )

    clean([draft], Scrubber())

    assert draft.name == draft.segment_name == "SELECT * FROM t WHERE a = ?"
