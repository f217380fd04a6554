"""All documents that a caller may read, page by page.

Where a page ends is sealed: a cursor is good for one caller and one filter, and tells nothing. It is
the same whenever the page is, so that nothing in a reply moves with what the caller may not read.
"""

import base64
import binascii
import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from indexes.catalog import Catalog
from indexes.catalog.filters import Filters, ListPosition
from indexes.catalog.history import BEFORE_THE_BACKUP
from indexes.errors import BadInput
from indexes.model import DocumentEntry, Principal

MAX_CURSOR_CHARS = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPage:
    """documents: in the order of their paths. next: for the page that follows, if there is one."""

    documents: tuple[DocumentEntry, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewSummary:
    """How many documents somebody may read. Counts of a name: most documents first, then by name."""

    documents: int
    collections: tuple[tuple[str, int], ...]
    sources: tuple[tuple[str, int], ...]  # without documents that are in no named folder


class DocumentList:
    """Threads may share it."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._cipher, *self._former = (
            AESSIV(hashlib.sha512(b"document list" + secret).digest())
            for secret in (catalog.history_secret, *catalog.former_history_secrets)
        )

    def page(
        self, principal: Principal, filters: Filters, cursor: str | None, most: int
    ) -> DocumentPage:
        """Raises NotAuthenticated, and BadInput for a cursor of another caller or filter, or from
        before the catalog was put back from a backup.
        """
        bound_to = _digest(principal, filters)
        after = None if cursor is None else self._open(cursor, bound_to)
        with self._catalog.reading() as state:
            entries, end = state.list_documents(filters, principal, after, most)
        following = None if end is None else self._seal(end, bound_to)
        return DocumentPage(documents=tuple(entries), next=following)

    def summary(self, principal: Principal, filters: Filters) -> ViewSummary:
        """What the pages hold, in numbers. Raises NotAuthenticated."""
        collections: Counter[str] = Counter()
        sources: Counter[str] = Counter()
        with self._catalog.reading() as state:
            for collection, source, count in state.count_documents(filters, principal):
                collections[collection] += count
                if source:
                    sources[source] += count
        return ViewSummary(
            documents=collections.total(),
            collections=_most_first(collections),
            sources=_most_first(sources),
        )

    def _seal(self, position: ListPosition, bound_to: bytes) -> str:
        plain = json.dumps(position, ensure_ascii=False).encode("utf-8", "surrogatepass")
        return (
            base64.urlsafe_b64encode(self._cipher.encrypt(plain, [bound_to])).decode().rstrip("=")
        )

    def _open(self, cursor: str, bound_to: bytes) -> ListPosition:
        try:
            sealed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            opened = _decrypt(self._cipher, sealed, bound_to)
        except (binascii.Error, ValueError):
            sealed, opened = b"", None
        if opened is None:
            again = "Begin anew without one, or repeat the filters."
            if any(_decrypt(each, sealed, bound_to) is not None for each in self._former):
                raise BadInput(BEFORE_THE_BACKUP, remedy=again)
            raise BadInput("That cursor is of another list.", remedy=again)
        key, public_id = json.loads(opened)
        return key, public_id


def _decrypt(cipher: AESSIV, sealed: bytes, bound_to: bytes) -> bytes | None:
    try:
        return cipher.decrypt(sealed, [bound_to])
    except (InvalidTag, ValueError):
        return None


def _most_first(counts: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _digest(principal: Principal, filters: Filters) -> bytes:
    who = [principal.name, principal.id]
    return hashlib.sha256(json.dumps([who, repr(filters)]).encode()).digest()
