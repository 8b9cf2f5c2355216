"""How often one may try to sign in: a sliding window per account and per peer, in the memory of the process."""

from __future__ import annotations

import math
import time
from collections import deque

from engine.base.errors import Refused
from engine.base.limits import LOGIN_ATTEMPTS, LOGIN_ATTEMPTS_PEER, LOGIN_WINDOW_SECONDS

_KEYS_MAX = 50_000


class Limiter:
    """Counts attempts when they begin, so that many at once do not slip through; a success takes its own back."""

    def __init__(self) -> None:
        self._tries: dict[tuple[str, ...], deque[float]] = {}

    def attempt(self, tenant: str, account: str, peer: str) -> None:
        """Notes an attempt. Raises Refused "auth.limited", with the seconds to wait, where there were too many."""
        now = time.monotonic()
        limits = (
            (self._window(("account", tenant, account.casefold()), now), LOGIN_ATTEMPTS),
            (
                self._window(("peer", peer), now),
                LOGIN_ATTEMPTS_PEER,
            ),
        )
        for tries, limit in limits:
            if len(tries) >= limit:
                wait = math.ceil(tries[0] + LOGIN_WINDOW_SECONDS - now)
                raise Refused("auth.limited", f"try again in {wait} seconds", retry_after=wait)
        for tries, _ in limits:
            tries.append(now)

    def succeeded(self, tenant: str, account: str, peer: str) -> None:
        """Clears the account, and takes back the peer's last attempt."""
        self._tries.pop(("account", tenant, account.casefold()), None)
        tries = self._tries.get(("peer", peer))
        if tries:
            tries.pop()

    def _window(self, key: tuple[str, ...], now: float) -> deque[float]:
        if len(self._tries) >= _KEYS_MAX:
            self._tries = {k: tries for k, tries in self._tries.items() if tries[-1] > now - LOGIN_WINDOW_SECONDS}
        tries = self._tries.setdefault(key, deque())
        while tries and tries[0] <= now - LOGIN_WINDOW_SECONDS:
            tries.popleft()
        return tries
