"""The configuration that `init` writes."""

from pathlib import Path

from resumatch_monitor.kit.ids import Ids

DEFAULTS = Path(__file__).parent / "defaults"


def render_starter(ids: Ids) -> str:
    """Return the commented starting configuration, with a project key of its own."""
    template = (DEFAULTS / "monitor.yaml").read_text(encoding="utf-8")
    return template.replace("PROJECT_KEY", ids.uuid())
