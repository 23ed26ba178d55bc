"""Which labels the texts of a rule show."""

import re

from resumatch_monitor.rules.model import AlertingRule

_LABEL = re.compile(r"(?:\$labels|\.Labels)\.([a-zA-Z_]\w*)")
_INDEXED = re.compile(r"index\s+\$labels\s+[\"`]([a-zA-Z_]\w*)[\"`]")


def find_mentioned_labels(rule: AlertingRule) -> set[str]:
    """Return the names of the series' labels that `rule` mentions."""
    texts = [text for _, text in (*rule.labels, *rule.annotations) if "{{" in text]
    return {
        name for text in texts for pattern in (_LABEL, _INDEXED) for name in pattern.findall(text)
    }
