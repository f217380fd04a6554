"""What answering needs of a search: passages, and whether they may still be read."""

from typing import Protocol

from indexes.catalog.filters import Filters
from indexes.model import Mode, Principal, SearchResult
from service.answering.permission import PermissionSource


class Search(PermissionSource, Protocol):
    """Finds only what the principal may read, and can tell later whether that still holds.

    Both calls block, and threads share one search.
    """

    def search(
        self,
        question: str,
        principal: Principal,
        k: int,
        *,
        mode: Mode,
        filters: Filters | None,
        at_least: str | None,
    ) -> SearchResult:
        """The k best passages, best first. Raises NotAuthenticated and TooOld."""
        ...
