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

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from indexes.catalog.index_input import Mark
from indexes.errors import BadInput

_NONCE = 12  # bytes, as AES-GCM wants


class Positions:
    """Seals and opens positions. Safe to share between threads."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(hashlib.sha256(b"position" + secret).digest())

    def seal(self, mark: Mark) -> str:
        nonce = secrets.token_bytes(_NONCE)
        sealed = nonce + self._cipher.encrypt(
            nonce, mark.number.to_bytes(8, "big") + mark.token, None
        )
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def open(self, position: str) -> Mark:
        """The state. Raises BadInput for what this installation did not seal."""
        try:
            sealed = base64.urlsafe_b64decode(position + "=" * (-len(position) % 4))
            opened = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise BadInput("That position was not given out by this installation.") from error
        return Mark(int.from_bytes(opened[:8], "big"), opened[8:])
