"""The guide's seven alerts out of the shipped rule file, in a sixtieth of the time."""

import re
from pathlib import Path
from typing import Any

import yaml

import resumatch_monitor

FACTOR = 60
CRITICAL = (
    "DatabaseConnectionFailed",
    "HighAnalysisFailureRate",
    "HighErrorRate",
    "SuspiciousFileUpload",
)
WARNING = ("HighResponseTime", "LowUserRegistrations", "MultipleFailedLogins")

_SHIPPED = Path(resumatch_monitor.__file__).parent / "config/defaults/rules/resumatch.yml"
_LOOKS_AT_A_WEEK = "LowUserRegistrations"
_MINUTES = re.compile(r"(?<=\[)(\d+)m(?=\])|(?<=offset )(\d+)m")
_SECONDS = re.compile(r"(?<=time\(\) - )(\d+)")


def shorten_rules() -> dict[str, Any]:
    """Return the shipped rule file with seconds where it says minutes.

    Every `for` and `interval`, and every range, offset and age in an expression, is divided by
    `FACTOR`; nothing else is changed. LowUserRegistrations compares an hour with a week, and keeps
    its expression: the test writes that week.
    """
    file: dict[str, Any] = yaml.safe_load(_SHIPPED.read_text())
    for group in file["groups"]:
        group["interval"] = "1s"
        for rule in group["rules"]:
            rule["for"] = re.sub(r"m$", "s", rule["for"])
            if rule["alert"] != _LOOKS_AT_A_WEEK:
                rule["expr"] = _SECONDS.sub(
                    lambda found: str(int(found[1]) // FACTOR),
                    _MINUTES.sub(r"\1\2s", rule["expr"]),
                )
    return file
