"""API keys that were looked up before."""

import hashlib
from collections import OrderedDict

from indexes.model import Principal

KEYS_REMEMBERED = 10_000


class KnownKeys:
    """Whose a key was when it was looked up last. Those of one process; used by one thread.

    Only of keys that the catalog itself keeps, since only these are confirmed by every transaction
    that reads. Of a key its digest is kept.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Principal] = OrderedDict()

    def recall(self, key: str) -> Principal | None:
        """If None, the key was not looked up, or it was long ago."""
        digest = _digest(key)
        known = self._known.get(digest)
        if known is not None:
            self._known.move_to_end(digest)
        return known

    def remember(self, key: str, principal: Principal) -> None:
        """Whose it is, as it was just looked up."""
        if principal.key is None or principal.id is None:
            return
        self._known[_digest(key)] = principal
        if len(self._known) > KEYS_REMEMBERED:
            self._known.popitem(last=False)

    def forget(self, key: str) -> None:
        """It does not hold any more."""
        self._known.pop(_digest(key), None)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
