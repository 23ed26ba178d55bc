"""Exported records: what is written, and that no spreadsheet runs it."""

import csv
import io

import pytest

from resumatch_monitor.api.logs_render import render_record
from resumatch_monitor.logs.export import write_csv, write_csv_head, write_ndjson
from resumatch_monitor.logs.store import StoredRecord
from tests.support.logs import make_record


def read_csv(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+cmd", "'+cmd"),
        ("-2+3", "'-2+3"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\t=1"),
        ("-5", "-5"),
        ("-1.5e-3", "-1.5e-3"),
        ('say "hi", you\nthere', 'say "hi", you\nthere'),
        ("", ""),
        ("a=b", "a=b"),
    ],
)
def test_a_cell_is_a_text_and_never_a_formula(text: str, cell: str) -> None:
    stored = StoredRecord(1, make_record(text, attributes={"x": text}))

    assert read_csv(write_csv([stored], render_record, ["message", "x"])) == [[cell, cell]]


def test_columns_are_fields_and_attributes() -> None:
    record = make_record("hello", attributes={"n": 1.0, "ok": True, "l": ["a", 1]})
    columns = ["seq", "severity", "n", "ok", "l", "nothing", "attributes"]

    rows = read_csv(
        write_csv_head(columns) + write_csv([StoredRecord(2**60, record)], render_record, columns)
    )

    assert rows == [columns, [str(2**60), "info", "1", "true", '["a",1]', "", ""]]


def test_a_name_of_a_column_is_no_formula_either() -> None:
    assert read_csv(write_csv_head(["=1+1"])) == [["'=1+1"]]


def test_ndjson_has_all_or_the_chosen_fields() -> None:
    stored = StoredRecord(7, make_record("hello\nworld", attributes={"n": 1}))

    whole = write_ndjson([stored, stored], render_record)
    chosen = write_ndjson([stored], render_record, ["message", "n", "nothing"])

    assert whole.count(b"\n") == 2
    assert chosen == b'{"message":"hello\\nworld","n":1,"nothing":null}\n'
