from pathlib import Path

from resumatch_monitor.config.reference import render_reference

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_page_says_what_the_code_says() -> None:
    assert PAGE.read_text() == render_reference(), (
        "run: .venv/bin/python -m resumatch_monitor.config.reference > docs/configuration.md"
    )


def test_every_key_is_explained() -> None:
    unexplained = [
        line
        for line in render_reference().splitlines()
        if line.startswith("| `") and line.endswith("|  |")
    ]

    assert unexplained == []
