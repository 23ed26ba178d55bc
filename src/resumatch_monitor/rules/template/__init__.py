"""Go's template language, as far as rule files use it, with Prometheus' functions."""

from resumatch_monitor.rules.template.evaluator import (
    QueryNeededError,
    TemplateData,
    TemplateSample,
    expand_template,
)
from resumatch_monitor.rules.template.nodes import TemplateError
from resumatch_monitor.rules.template.parser import parse_template

__all__ = [
    "QueryNeededError",
    "TemplateData",
    "TemplateError",
    "TemplateSample",
    "expand_template",
    "parse_template",
]
