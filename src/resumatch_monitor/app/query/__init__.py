"""Asks a running monitor, any Prometheus, or the store of a stopped monitor; shows the answer."""

from resumatch_monitor.app.query.client import QueryFailedError, fetch
from resumatch_monitor.app.query.local import read_store
from resumatch_monitor.app.query.render import RENDERERS
from resumatch_monitor.app.query.times import Question, parse_question

__all__ = ["RENDERERS", "QueryFailedError", "Question", "fetch", "parse_question", "read_store"]
