"""The ways of grouping that exist, and the one for projects that begin."""

from collections.abc import Callable, Mapping

from resumatch_monitor.errortracking.grouping import v1
from resumatch_monitor.errortracking.grouping.grouping import Decision, Grouper
from resumatch_monitor.errortracking.grouping.v2 import group as v2
from resumatch_monitor.errortracking.model import Event

GROUPERS: Mapping[int, Grouper] = {v1.VERSION: v1.group, v2.VERSION: v2.group}
DECIDERS: Mapping[int, Callable[[Event], Decision]] = {
    v1.VERSION: v1.decide,
    v2.VERSION: v2.decide,
}
"""What each of them counts."""
CURRENT_VERSION = v2.VERSION
