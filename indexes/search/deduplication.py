"""The one place where near-copies collapse and no document may crowd out the others.

It looks at hits that were read for the caller, and at nothing else. It tells what it leaves out,
and why.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import compress

from indexes.model import Hit, Omission, OmissionReason
from indexes.search.sketches import Sketches
from indexes.text.near_copies import Wording, adds_nothing, wording_of


@dataclass(eq=False)
class _Seen:
    """A hit that was looked at, and how many were before it."""

    place: int
    hit: Hit
    batch: Sketches  # of those that were read with it
    number: int  # among them

    @cached_property
    def sketch(self) -> Sketches:
        return self.batch.part(self.number)

    @cached_property
    def wording(self) -> Wording:
        """The same row under another header is news."""
        return wording_of(self.hit.shown)


class Selection:
    """At most k hits, only so many of one document, and none that adds nothing to a better one.

    If others do not fill it up, a document may have more than its share.
    """

    def __init__(self, k: int, per_document: int) -> None:
        self._k, self._per_document = k, per_document
        self._seen = 0
        self._kept: list[_Seen] = []
        self._taken: Counter[str] = Counter()  # how many are kept of each document
        self._copies: list[_Seen] = []  # at most k of them, and
        self._surplus: list[_Seen] = []  # at most k beyond the share of their document

    @property
    def full(self) -> bool:
        """Whether k hits are kept, so that no other is looked at."""
        return len(self._kept) == self._k

    @property
    def kept(self) -> tuple[Hit, ...]:
        """At most k hits, in the order in which they came."""
        return tuple(seen.hit for seen in sorted(self._kept, key=_place))

    @property
    def left_out(self) -> tuple[Omission, ...]:
        """In the order in which they came; only the first k, since a document may be very long, and
        none that ranks below the last of k hits.
        """
        reasons: list[tuple[_Seen, OmissionReason]] = [
            *((seen, "duplicate") for seen in self._copies),
            *((seen, "document_cap") for seen in self._surplus),
        ]
        reasons.sort(key=lambda left: left[0].place)
        last = max(map(_place, self._kept)) if self.full and self._kept else self._seen
        told = [(seen.hit, reason) for seen, reason in reasons[: self._k] if seen.place <= last]
        return tuple(Omission(hit, reason) for hit, reason in told)

    def take(self, hits: Iterable[Hit]) -> None:
        """Looks at hits until k are kept. Each must rank below all that were taken before."""
        some = list(hits)
        sketches = Sketches.of([hit.shown for hit in some])
        may_be_copy = sketches.may_add_nothing([kept.sketch for kept in self._kept])
        for number, hit in enumerate(some):
            if self.full:
                return
            self._seen += 1
            is_one_too_many = self._taken[hit.document_id] >= self._per_document
            if is_one_too_many and len(self._surplus) == self._k:
                continue  # it can neither be told nor kept, so its text need not be looked at
            seen = _Seen(self._seen, hit, sketches, number)
            if (may_be_copy[number] and self._is_copy(seen)) or self._is_inside_another(hit):
                self._copies += [seen] if len(self._copies) < self._k else []
            elif is_one_too_many:
                self._surplus.append(seen)
            else:
                self._keep(seen)

    def fill_up(self) -> None:
        """Once there are no more hits: places that are left go to the best of what exceeded the
        share of its document.
        """
        surplus, self._surplus = self._surplus, []
        for seen in surplus:
            if self.full:
                self._surplus.append(seen)
            elif self._is_copy(seen) or self._is_inside_another(seen.hit):
                self._copies.append(seen)
            else:
                self._keep(seen)

    def _is_copy(self, seen: _Seen) -> bool:
        """Whether another has its words; other rows below the same long header are no copy."""
        near = seen.sketch.first_may_add_nothing([kept.sketch for kept in self._kept])
        better = [
            kept for kept in compress(self._kept, near) if adds_nothing(seen.wording, kept.wording)
        ]
        if not better or not seen.hit.header:
            return bool(better)
        rows = wording_of(seen.hit.text)
        return any(adds_nothing(rows, wording_of(kept.hit.text)) for kept in better)

    def _is_inside_another(self, hit: Hit) -> bool:
        return hit.document_id in self._taken and any(
            hit.document_id == kept.hit.document_id
            and kept.hit.start <= hit.start
            and hit.end <= kept.hit.end
            for kept in self._kept
        )

    def _keep(self, seen: _Seen) -> None:
        self._taken[seen.hit.document_id] += 1
        self._kept.append(seen)


def _place(seen: _Seen) -> int:
    return seen.place
