"""Counts wrong tokens by address, and makes an address that guesses wait."""

from __future__ import annotations

import logging
import time

from irqbal.api.backend import ApiError

log = logging.getLogger(__name__)

MOST_FAILURES = 10
"""Wrong tokens from one address within WINDOW; each further one is answered with 429."""
WINDOW = 60.0
"""Seconds over which the wrong tokens of an address are counted."""
MOST_ADDRESSES = 10_000
"""Addresses that are counted at a time: bounds the memory that a distributed attack takes."""


class TokenFailures:
    """Wrong tokens since the start, in all and by address."""

    def __init__(self) -> None:
        self.total = 0
        self._by_address: dict[str, tuple[float, int]] = {}
        """(start of the window by the monotonic clock, wrong tokens in it)."""

    def count(self, address: str) -> None:
        """Count a wrong token. Raises ApiError if the address has sent too many; valid tokens from
        the same address are not affected.
        """
        self.total += 1
        now = time.monotonic()
        began, count = self._by_address.get(address, (now, 0))
        if now - began > WINDOW:
            began, count = now, 0
        self._by_address[address] = (began, count + 1)
        if len(self._by_address) > MOST_ADDRESSES:
            self._forget_old(now)
        if count == 0:
            log.warning("a wrong token from %s", address)
        if count >= MOST_FAILURES:
            wait = max(1, round(WINDOW - (now - began)))
            raise ApiError(
                429,
                "too-many-failures",
                f"too many wrong tokens from {address}; wait {wait} s",
                headers={"Retry-After": str(wait)},
            )

    def _forget_old(self, now: float) -> None:
        self._by_address = {
            address: entry
            for address, entry in self._by_address.items()
            if now - entry[0] <= WINDOW
        }
        if len(self._by_address) > MOST_ADDRESSES:
            self._by_address.clear()
