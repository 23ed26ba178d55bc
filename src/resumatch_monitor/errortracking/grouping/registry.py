"""The ways of grouping that exist, and the one for events of issues that are not known yet."""

from collections.abc import Mapping

from resumatch_monitor.errortracking.grouping import v1
from resumatch_monitor.errortracking.grouping.grouping import Grouper

GROUPERS: Mapping[int, Grouper] = {v1.VERSION: v1.group}
CURRENT_VERSION = v1.VERSION
