"""The one place where near-copies collapse and no document may crowd out the others.

It looks at hits that were read for the caller, and at nothing else. It tells what it leaves out,
and why.
"""

from collections import Counter
from collections.abc import Iterable

from indexes.model import Hit, Omission, OmissionReason
from indexes.text.near_copies import SeenTexts, Wording, wording_of


class Selection:
    """At most k hits, only so many of one document, and none that adds nothing to a better one."""

    def __init__(self, k: int, per_document: int) -> None:
        self._k, self._per_document = k, per_document
        self._kept: list[Hit] = []
        self._texts = SeenTexts()  # of the hits that are kept
        self._taken: Counter[str] = Counter()  # how many are kept of each document
        self._left_out: list[Omission] = []

    @property
    def full(self) -> bool:
        """Whether k hits are kept, so that no other is looked at."""
        return len(self._kept) == self._k

    @property
    def kept(self) -> tuple[Hit, ...]:
        """At most k hits, in the order in which they came."""
        return tuple(self._kept)

    @property
    def left_out(self) -> tuple[Omission, ...]:
        """In the order in which they came; only the first k, since a document may be very long."""
        return tuple(self._left_out)

    def take(self, hits: Iterable[Hit]) -> None:
        """Looks at hits until k are kept. Each must rank below all that were taken before."""
        for hit in hits:
            if self.full:
                return
            is_one_too_many = self._taken[hit.document_id] >= self._per_document
            if is_one_too_many and len(self._left_out) == self._k:
                continue  # nobody is told of it, so its text need not be looked at
            wording = wording_of(hit.text)
            if self._texts.hold(wording) or self._stands_inside_one(hit):
                self._leave_out(hit, "duplicate")
            elif is_one_too_many:
                self._leave_out(hit, "document_cap")
            else:
                self._keep(hit, wording)

    def _stands_inside_one(self, hit: Hit) -> bool:
        return any(
            hit.document_id == kept.document_id and kept.start <= hit.start and hit.end <= kept.end
            for kept in self._kept
        )

    def _keep(self, hit: Hit, wording: Wording) -> None:
        self._taken[hit.document_id] += 1
        self._kept.append(hit)
        self._texts.add(wording)

    def _leave_out(self, hit: Hit, reason: OmissionReason) -> None:
        if len(self._left_out) < self._k:
            self._left_out.append(Omission(hit, reason))
