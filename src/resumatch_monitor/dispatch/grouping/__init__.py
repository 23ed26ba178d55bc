"""Which alerts are told together, and when: groups, escalation, the limit of messages."""
