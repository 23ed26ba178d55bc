from pathlib import Path

from resumatch_monitor.config.check import find_warnings

_CONFIG = """\
projects:
  - {id: 1, slug: shop, key: %s}
errors:
  fingerprint_rules:
    shop: "type:KeyError -> keys"
    shopp: "type:KeyError -> keys"
"""


def test_rules_for_a_project_that_is_not_there_are_pointed_at(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(_CONFIG % ("a" * 32))

    (warning,) = find_warnings(path)

    assert warning.startswith(f"{path}:6:5: shopp: no project here has this slug")


def test_a_slug_that_the_environment_tells_is_not_missed(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text((_CONFIG % ("a" * 32)).replace("slug: shop", 'slug: "${SLUG}"'))

    assert find_warnings(path) == []
