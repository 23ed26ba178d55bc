"""What Sentry's SDKs send: envelopes, their items, and the habits of their JSON."""
