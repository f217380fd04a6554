"""Wrong keys: answered ever more slowly to the address that they come from.

A right key never waits.
"""

import ipaddress
import time
from collections import OrderedDict

FREE_ATTEMPTS = 30  # wrong keys that may come at once from one address
FORGIVEN_PER_SECOND = 1.0  # that are forgiven
STEP_S = 0.05  # longer for each one more
LONGEST_S = 2.0
ADDRESSES = 10_000
MAX_WAITING = 64  # answers held back at the same time; further ones are told to come back later


class WrongKeys:
    """Those of one process, by address. Used by one thread."""

    def __init__(self) -> None:
        # how many are not forgiven yet, and when
        self._seen: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self.waiting = 0

    def delay(self, address: str) -> float:
        """Seconds to wait before this attempt from the address is answered."""
        now = time.monotonic()
        count, then = self._seen.pop(address, (0.0, now))
        count = max(0.0, count - FORGIVEN_PER_SECOND * (now - then)) + 1
        self._seen[address] = (count, now)
        if len(self._seen) > ADDRESSES:
            self._seen.popitem(last=False)
        return min(LONGEST_S, STEP_S * max(0.0, count - FREE_ATTEMPTS))


def address_group(host: str) -> str:
    """What counts as one address: a whole subnet of IPv6, since one person has all of it."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.IPv6Network((address, 64), strict=False))
    return str(address)
