"""How often one person or one address may do a thing."""

from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

from structlog.stdlib import get_logger

from resumatch.backend.auth import Pseudonyms
from resumatch.backend.errors import ApiError
from resumatch.backend.metrics import LIMITED_ENDPOINTS, Metrics
from resumatch.backend.redis_client import RedisClient, RedisUnavailableError

logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limit:
    """So many requests within so many seconds."""

    requests: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Policy:
    """The limits of an endpoint: for everyone at an address together, and for one account."""

    address: Limit
    account: Limit


POLICIES = {
    "register": Policy(address=Limit(120, 3600), account=Limit(10, 3600)),
    "login": Policy(address=Limit(60, 300), account=Limit(10, 300)),
    "upload-resume": Policy(address=Limit(120, 600), account=Limit(20, 600)),
    "analyze": Policy(address=Limit(300, 600), account=Limit(60, 600)),
}
assert set(POLICIES) == set(LIMITED_ENDPOINTS)

# A sliding window out of two counters: what the previous window counted still weighs as much as
# of it lies within the last `seconds`. All subjects are asked first and counted together only if
# none is over, so that a refused request does not use up anybody's allowance. The time is
# Redis' own: several machines then agree on it.
_SCRIPT = """
local now = redis.call('TIME')
local seconds_now = tonumber(now[1]) + tonumber(now[2]) / 1000000
local longest_wait = 0
local counts = {}
for i, key in ipairs(KEYS) do
  local limit, seconds = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local window = math.floor(seconds_now / seconds)
  local stored = redis.call('HMGET', key, 'window', 'count', 'previous')
  local stored_window = tonumber(stored[1] or '-1')
  local count, previous = 0, 0
  if stored_window == window then
    count, previous = tonumber(stored[2]), tonumber(stored[3])
  elseif stored_window == window - 1 then
    previous = tonumber(stored[2])
  end
  local passed = seconds_now / seconds - window
  if previous * (1 - passed) + count >= limit then
    longest_wait = math.max(longest_wait, math.ceil((1 - passed) * seconds))
  end
  counts[i] = {window, count, previous, seconds}
end
if longest_wait > 0 then return longest_wait end
for i, key in ipairs(KEYS) do
  local c = counts[i]
  redis.call('HSET', key, 'window', c[1], 'count', c[2] + 1, 'previous', c[3])
  redis.call('EXPIRE', key, 2 * c[4])
end
return 0
"""


class RateLimiter:
    """Counts in Redis. While Redis cannot be asked, everybody may pass, and it is said."""

    def __init__(self, *, redis: RedisClient, metrics: Metrics, pseudonyms: Pseudonyms) -> None:
        self._redis = redis
        self._metrics = metrics
        self._pseudonyms = pseudonyms

    async def check(self, endpoint: str, *, address: str, account: str) -> None:
        """Count one request to `endpoint`.

        Args:
            endpoint: One of `POLICIES`.
            address: Where it comes from.
            account: An e-mail address or a user's id.

        Raises:
            ApiError: 429, with the time to wait, if it is one too many.
        """
        policy = POLICIES[endpoint]
        keys = [self._key(endpoint, "address", address), self._key(endpoint, "account", account)]
        limits = (policy.address, policy.account)
        args = [str(number) for each in limits for number in (each.requests, each.seconds)]
        try:
            wait_seconds = int(await self._redis.run_script(_SCRIPT, keys=keys, args=args))
        except RedisUnavailableError as error:
            self._metrics.rate_limit_unchecked.labels(endpoint).inc()
            logger.warning("rate_limit_unchecked", endpoint=endpoint, error_message=str(error))
            return
        if wait_seconds > 0:
            self._metrics.rate_limit_violations.labels(endpoint).inc()
            logger.warning("rate_limit_exceeded", endpoint=endpoint)
            raise ApiError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "rate_limited",
                f"Too many requests. Try again in {wait_seconds} seconds.",
                headers={"Retry-After": str(wait_seconds)},
            )

    def keys_of(self, *, user_id: UUID, email: str) -> list[str]:
        """Name the keys that are kept about one person."""
        return [
            self._key(endpoint, "account", account)
            for endpoint in POLICIES
            for account in (str(user_id), email)
        ]

    def _key(self, endpoint: str, kind: str, subject: str) -> str:
        return f"resumatch:limit:{endpoint}:{kind}:{self._pseudonyms.of(subject)}"
