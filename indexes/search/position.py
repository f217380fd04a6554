"""How fresh an answer is, as a sealed note: a caller can demand "at least as fresh as this" and
learn nothing from it.

The number of the state inside moves with hidden writes, so it is encrypted under a key of the
installation with a fresh nonce each time: two notes of the same moment are as unlike as two notes
of different moments. With it goes the state's token: a note of a catalog that was since put back
from a copy is not taken for one of the present.
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from indexes.catalog.history import BEFORE_THE_BACKUP
from indexes.catalog.index_input import Mark
from indexes.errors import BadInput

_NONCE = 12  # bytes, as AES-GCM wants


class Positions:
    """Seals and opens positions. Safe to share between threads."""

    def __init__(self, secret: bytes, former: Sequence[bytes] = ()) -> None:
        """secret: of this history of the catalog. former: of those before it."""
        self._cipher, *self._former = (
            AESGCM(hashlib.sha256(b"position" + each).digest()) for each in (secret, *former)
        )

    def seal(self, mark: Mark) -> str:
        nonce = secrets.token_bytes(_NONCE)
        sealed = nonce + self._cipher.encrypt(
            nonce, mark.number.to_bytes(8, "big") + mark.token, None
        )
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def open(self, position: str) -> Mark:
        """The state. Raises BadInput for what this installation did not seal, or sealed before it was
        put back from a backup.
        """
        try:
            sealed = base64.urlsafe_b64decode(position + "=" * (-len(position) % 4))
            opened = _decrypt(self._cipher, sealed)
        except (binascii.Error, ValueError):
            sealed, opened = b"", None
        if opened is not None:
            return Mark(int.from_bytes(opened[:8], "big"), opened[8:])
        if any(_decrypt(each, sealed) is not None for each in self._former):
            raise BadInput(BEFORE_THE_BACKUP, remedy="Ask again without the position.")
        raise BadInput("That position was not given out by this installation.")


def _decrypt(cipher: AESGCM, sealed: bytes) -> bytes | None:
    try:
        return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
    except (InvalidTag, ValueError):
        return None
