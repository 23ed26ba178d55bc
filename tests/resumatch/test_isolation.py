"""ResuMatch stands for anybody's application: it knows nothing of the monitor."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_module_imports_the_monitor() -> None:
    imported: set[str] = set()
    for path in (ROOT / "resumatch").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")

    assert "resumatch.backend.config" in imported
    assert not [name for name in imported if name.startswith("resumatch_monitor")]


def test_nothing_of_the_monitor_is_loaded_when_it_runs() -> None:
    program = (
        "import sys, resumatch.backend.main, resumatch.simulator;"
        "print([name for name in sys.modules if name.startswith('resumatch_monitor')])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert answer.stdout == "[]\n"
