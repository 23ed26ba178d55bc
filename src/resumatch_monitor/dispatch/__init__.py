"""When and to whom: routing, grouping, de-duplication, the durable outbox."""
