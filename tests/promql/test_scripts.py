"""Runs promqltest scripts: our own everywhere, Prometheus' where they are at hand."""

import os
import tomllib
from pathlib import Path

import pytest

from tests.promql.runner import run_script

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
PROMETHEUS_SCRIPTS = Path(
    os.environ.get("RESUMATCH_PROMQLTEST_DIR", REPOSITORY.parent / "shared" / "promqltest")
)
_LAYOUTS = pytest.mark.parametrize("is_matrix", [True, False], ids=["matrix", "ragged"])


def load_gaps() -> dict[str, set[str]]:
    """Return the names of the cases that are known not to pass, by script."""
    document = tomllib.loads((HERE / "known_gaps.toml").read_text())
    gaps: dict[str, set[str]] = {}
    for gap in document["gap"]:
        assert gap["reason"]
        script = gap["script"]
        gaps.setdefault(script, set()).update(f"{script}:{line}" for line in gap["lines"])
    return gaps


@_LAYOUTS
@pytest.mark.parametrize(
    "path", sorted((HERE / "scripts").glob("*.test")), ids=lambda path: path.name
)
def test_own_script(path: Path, is_matrix: bool) -> None:
    outcomes = run_script(path, is_matrix=is_matrix)

    problems = [f"{each.name} {each.query}: {each.problem}" for each in outcomes if each.problem]
    assert outcomes
    assert not problems, "\n".join(problems)


@pytest.mark.skipif(
    not PROMETHEUS_SCRIPTS.is_dir(),
    reason="Prometheus' own scripts are not here; name their folder in RESUMATCH_PROMQLTEST_DIR",
)
@_LAYOUTS
@pytest.mark.parametrize(
    "path", sorted(PROMETHEUS_SCRIPTS.glob("*.test")), ids=lambda path: path.name
)
def test_prometheus_script(path: Path, is_matrix: bool) -> None:
    gaps = load_gaps().get(path.name, set())

    outcomes = run_script(path, is_matrix=is_matrix)

    problems = [
        f"{each.name} {each.query}: {each.problem}"
        for each in outcomes
        if each.problem and each.name not in gaps
    ]
    passing = sorted(each.name for each in outcomes if not each.problem and each.name in gaps)
    unknown = sorted(gaps - {each.name for each in outcomes})
    assert not problems, "\n".join(problems)
    assert not passing, f"these pass: take them out of known_gaps.toml: {passing}"
    assert not unknown, f"known_gaps.toml names cases that do not exist: {unknown}"
