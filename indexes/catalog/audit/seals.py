"""Signatures over the last record of a chain: whoever rewrites what stands before one needs the key
that made it, and it does not stand in the catalog.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from indexes import durable
from indexes.catalog.audit.chain import Head
from indexes.catalog.schema import audit_seals
from indexes.errors import BadConfiguration
from indexes.file_locks import lock_folder
from indexes.private_files import private_folder

KEY_FILE = "audit.key"
_SCHEME = b"clearance seal 1\0"
_REMEDY = "Put back the file that it held, or remove it: a new key cannot vouch for older seals."


@dataclass(frozen=True, slots=True)
class SealingKey:
    """A private Ed25519 key."""

    _key: Any
    public: bytes  # 32

    @classmethod
    def of(cls, key: Any) -> "SealingKey":
        return cls(key, key.public_key().public_bytes_raw())

    @property
    def id(self) -> str:
        return key_id(self.public)

    def sign(self, head: Head, *, pruned: bool) -> bytes:
        """64 bytes."""
        signature: bytes = self._key.sign(_signed(head, pruned=pruned))
        return signature


def key_id(public: bytes) -> str:
    """What seals name a key by."""
    return hashlib.sha256(public).hexdigest()[:16]


def load_key(home: Path) -> SealingKey:
    """The key of this home, made now if there is none. Raises BadConfiguration."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    place = home / KEY_FILE
    if not place.exists():
        _make_key(place)
    try:
        read = serialization.load_pem_private_key(place.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise BadConfiguration(f"{place} holds no readable key.", remedy=_REMEDY) from error
    if not isinstance(read, Ed25519PrivateKey):
        raise BadConfiguration(f"{place} holds no Ed25519 key.", remedy=_REMEDY)
    return SealingKey.of(read)


def seal_head(connection: Connection, head: Head, key: SealingKey, *, pruned: bool = False) -> None:
    """pruned: the record and all before it are removed."""
    values = {
        "chain_id": head.chain,
        "number": head.number,
        "hash": head.hash,
        "pruned": int(pruned),
        "sealed_at": datetime.now(UTC),
        "key_id": key.id,
        "signature": key.sign(head, pruned=pruned),
    }
    connection.execute(insert(audit_seals).values(values))


def is_signed(public: bytes, head: Head, signature: bytes, *, pruned: bool) -> bool:
    """Whether this key made the signature, for this head and this meaning."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _signed(head, pruned=pruned))
    except InvalidSignature:
        return False
    return True


def _signed(head: Head, *, pruned: bool) -> bytes:
    place = head.chain.to_bytes(8, "big") + head.number.to_bytes(8, "big")
    return _SCHEME + bytes([pruned]) + place + head.hash


def _make_key(place: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    private_folder(place.parent)
    with lock_folder(place.parent):
        if not place.exists():
            durable.write(place, pem)
