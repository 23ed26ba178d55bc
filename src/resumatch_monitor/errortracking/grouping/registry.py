"""The ways of grouping that exist, and the one for projects that begin."""

from collections.abc import Mapping

from resumatch_monitor.errortracking.grouping import v1
from resumatch_monitor.errortracking.grouping.grouping import Grouper
from resumatch_monitor.errortracking.grouping.v2 import group as v2

GROUPERS: Mapping[int, Grouper] = {v1.VERSION: v1.group, v2.VERSION: v2.group}
CURRENT_VERSION = v2.VERSION
