from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.kit.yamltree import Position, YamlError, parse_yaml

TEXT = """\
first: 1
section:
  key: "text"
  items:
    - one
    - name: two
"""


def test_knows_where_keys_and_values_stand() -> None:
    tree = parse_yaml(TEXT)

    assert tree.value == {"first": 1, "section": {"key": "text", "items": ["one", {"name": "two"}]}}
    assert tree.position(["section", "key"]) == Position(3, 8)
    assert tree.key_position(["section", "key"]) == Position(3, 3)
    assert tree.position(["section", "items", 1, "name"]) == Position(6, 13)
    assert tree.key_position(["section", "items", 1]) == Position(6, 7)


def test_a_path_that_is_not_there_leads_to_the_nearest_that_is() -> None:
    tree = parse_yaml(TEXT)

    assert tree.position(["section", "absent", "deeper"]) == tree.position(["section"])
    assert tree.position(["absent"]) == Position(1, 1)


@pytest.mark.parametrize("text", ["", "# a comment\n", "---\n"])
def test_an_empty_document_is_none(text: str) -> None:
    assert parse_yaml(text).value is None


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("a: 1\nb: 2\na: 3\n", "the key 'a' occurs twice", Position(3, 1)),
        ("a: [1, 2\n", "expected ',' or ']'", Position(2, 1)),
        ("? [1]\n: 2\n", "a key must be a plain text", Position(1, 3)),
        ("a: !!set {b}\n", "has no meaning here", Position(1, 4)),
        ("a: !!python/object:os.system {}\n", "has no meaning here", Position(1, 4)),
        ("a: \x00\n", "a character that YAML does not allow", Position(1, 1)),
        ("a: 1\n---\nb: 2\n", "another document", Position(2, 1)),
        ("[" * 200_000 + "]" * 200_000, "nested too deeply", Position(1, 101)),
        ("a: &a [*a]\n", "nested too deeply", Position(1, 4)),
        ("a: &a {<<: *a}\n", "nested too deeply", Position(1, 4)),
    ],
)
def test_says_what_is_wrong_and_where(text: str, message: str, position: Position) -> None:
    with pytest.raises(YamlError) as caught:
        parse_yaml(text)

    assert message in caught.value.message
    assert caught.value.position == position


def test_aliases_cannot_unfold_without_end() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for previous, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{previous}'] * 10)}]")

    with pytest.raises(YamlError, match="unfold"):
        parse_yaml("\n".join(lines))


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(YamlError):
        parse_yaml(text)


def test_leaves_scalars_as_they_are_written_where_texts_are_wanted() -> None:
    tree = parse_yaml(
        "{a: 0x10, b: 1.10, c: yes, d: ~, e: null, f: 2026-01-31, g: '5', h: , i: [010, true]}",
        as_text=True,
    )

    assert tree.value == {
        "a": "0x10",
        "b": "1.10",
        "c": "yes",
        "d": None,
        "e": None,
        "f": "2026-01-31",
        "g": "5",
        "h": None,
        "i": ["010", "true"],
    }


def test_refuses_a_tag_also_where_texts_are_wanted() -> None:
    with pytest.raises(YamlError):
        parse_yaml("a: !!python/name:os.system x", as_text=True)
