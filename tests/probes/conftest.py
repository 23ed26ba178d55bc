"""The database servers of the collectors' tests."""

from tests.collectors.conftest import postgres, redis_server

__all__ = ["postgres", "redis_server"]
