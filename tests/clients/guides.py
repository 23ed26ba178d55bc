"""The set-up instructions of a project's page, filled in as the page does."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_GUIDES = Path(__file__).parents[2] / "web" / "src" / "projects" / "guides.json"
_NAME = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True, slots=True)
class Guide:
    """What stands under one of the page's buttons: the code of each step, in its order."""

    label: str
    steps: Sequence[str]


def read_guides(project: Mapping[str, Any]) -> Mapping[str, Guide]:
    """Return the instructions for a project, by platform.

    Args:
        project: As `/api/monitor/projects/{id}` describes it; its first key is used.
    """
    key = project["keys"][0]
    values = {
        "dsn": key["dsn"],
        "security_url": key["security_url"],
        "cron_url": key["cron_url"].replace("<monitor>", "nightly-backup"),
        "slug": project["slug"],
        "origin": re.sub(r"//[^@]*@", "//", key["dsn"]).rsplit("/", 1)[0],
    }

    def fill(lines: Sequence[str]) -> str:
        return _NAME.sub(lambda found: values[found[1]], "\n".join(lines))

    return {
        guide["platform"]: Guide(guide["label"], [fill(step["code"]) for step in guide["steps"]])
        for guide in json.loads(_GUIDES.read_text())
    }
