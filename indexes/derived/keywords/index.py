"""The index itself: blocks by reader set, who is in which, and the questions put to them.

Every passage is in one block, every block belongs to one reader set, and a question looks at the
blocks of the caller's reader sets only: document count, document frequency and average length are
counted there while scoring. So neither the result nor the time depends on what the caller may not
read. New passages make small blocks, which are joined as they become many; removed ones are cut out
of their block at once, so nothing of them stays.

A passage scores log(1 + (N - df + 0.5) / (df + 0.5)) * tf / (tf + k1 * (1 - b + b * l)) for each
word of the question, where l is its length over the average: BM25 as in Lucene. nDCG@10 on
development data, title and text, no chunking, by (k1, b):

              SciFact  handbook   SQuAD    CMRC  XQuAD en  XQuAD zh
  0.9, 0.4     0.6867    0.8036  0.8835  0.9834    0.9688    0.9672
  1.2, 0.4     0.6867    0.8031  0.8851  0.9841    0.9682    0.9657    the default
  1.2, 0.75    0.6890    0.7902  0.8893  0.9845    0.9698    0.9643
  1.2, 0.4     0.6876    0.8047  0.8829  0.9841    0.9680    0.9654    without 33 English stop words
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from indexes.derived.keywords import block_files, blocks, kernels, scorer, sets
from indexes.derived.keywords.analysis import Analyser, count_terms
from indexes.derived.keywords.blocks import KeywordBlock
from indexes.derived.keywords.rows import ABSENT, SlotOfRow
from indexes.derived.keywords.scorer import Ranking, Statistics, check_ascending
from indexes.errors import IndexDamaged

K1 = 1.2
B = 0.4

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class KeywordContents:
    """The passages of one reader set."""

    rows: Rows  # ascending
    lengths: Rows  # terms in each
    chain: Sequence[KeywordBlock]
    consistent: bool  # what is kept beside the blocks agrees with them

    def digest(self) -> bytes:
        """Stands for every word of every passage: equal exactly when the rows and their terms are."""
        return postings_digest(map(blocks.postings, self.chain))


def postings_digest(parts: Iterable[tuple[NDArray[np.uint64], Rows, Rows]]) -> bytes:
    """parts: (hash of the term, row, how often), in any order.

    A sum, so that no part has to wait for another.
    """
    lanes = np.zeros(2, np.uint64)
    for hashes, rows, counts in parts:
        for lane, seed in enumerate((0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)):
            mixed = _mix(counts.astype(np.uint64) + np.uint64(seed))
            mixed = _mix(mixed ^ rows.astype(np.uint64))
            # an array wraps in silence
            lanes[lane : lane + 1] += _mix(mixed ^ hashes).sum(dtype=np.uint64)
    return lanes.tobytes()


def _mix(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finish of SplitMix64: every bit depends on every bit."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


class KeywordIndex:
    """BM25 over exactly the passages of the reader sets asked for.

    One writer at a time, and no reader meanwhile.
    """

    def __init__(self, k1: float = K1, b: float = B) -> None:
        self._k1, self._b = k1, b
        self._analyser = Analyser()
        self._question_analyser = Analyser(remembers=False)
        self._slot_of_row = SlotOfRow()
        self._blocks: list[KeywordBlock | None] = []
        self._free: list[int] = []
        # per block: address, next block of the same reader set
        self._links = np.full((16, 2), sets.NONE, np.int64)
        self._numbers = np.empty(0, np.int64)  # per slot: the reader set
        self._first = np.empty(0, np.int64)  # per slot: its newest block
        self._slots = 0
        self._table = _new_table(0)

    def __len__(self) -> int:
        return len(self._slot_of_row)

    # --- changes --------------------------------------------------------------------------------

    def add(self, rows: Sequence[int] | Rows, reader_set: int, texts: Sequence[str]) -> None:
        """Indexes passages. rows: ascending, new; texts: one for each row."""
        self.add_blocks(rows, reader_set, self.analyse(rows, texts))

    def analyse(self, rows: Sequence[int] | Rows, texts: Sequence[str]) -> Sequence[KeywordBlock]:
        """The slow part of `add`, which changes nothing: it may run while others search.

        One thread at a time.
        """
        new = check_ascending(rows)
        if len(new) != len(texts):
            raise ValueError(f"{len(new)} rows with {len(texts)} texts.")
        made = []
        for start in range(0, len(new), kernels.BLOCK_ROWS):
            part = slice(start, start + kernels.BLOCK_ROWS)
            made.append(
                blocks.build(new[part], [self._analyser.terms(text) for text in texts[part]])
            )
        return made

    def add_blocks(
        self, rows: Sequence[int] | Rows, reader_set: int, made: Sequence[KeywordBlock]
    ) -> None:
        """Indexes passages. made: what `analyse` gave for these rows."""
        new = check_ascending(rows)
        if np.any(self._slot_of_row.get(new) != ABSENT):
            raise ValueError("Some of these rows are indexed already.")
        slot = self._slot_for(reader_set)
        self._add_to_slot(slot, made)
        self._slot_of_row.put(new, slot)

    def remove(self, rows: Sequence[int] | Rows) -> None:
        """Forgets passages: nothing of their text stays behind.

        Rows that are not there are no error.
        """
        gone = check_ascending(rows)
        slots = self._slot_of_row.get(gone)
        for slot in np.unique(slots[slots != ABSENT]).tolist():
            self._take_from_slot(slot, gone[slots == slot])
        self._slot_of_row.drop(gone[slots != ABSENT])

    def move(self, rows: Sequence[int] | Rows, reader_set: int) -> None:
        """Gives passages to another reader set, without their texts.

        Raises IndexDamaged if a row is not there.
        """
        moved = check_ascending(rows)
        slots = self._slot_of_row.get(moved)
        if np.any(slots == ABSENT):
            raise IndexDamaged(
                "A passage whose readers changed is not in the keyword index.",
                remedy="Rebuild the index.",
            )
        target = self._slot_for(reader_set)
        taken: list[KeywordBlock] = []
        for slot in np.unique(slots).tolist():
            if slot != target:
                taken += self._take_from_slot(slot, moved[slots == slot])
        self._add_to_slot(target, taken)
        self._slot_of_row.put(moved, target)

    # --- questions ------------------------------------------------------------------------------

    def search(
        self,
        question: str,
        reader_sets: NDArray[np.int64],
        k: int,
        *,
        allowed_rows: NDArray[np.bool_] | Rows | None = None,
        ties: Rows | None = None,
    ) -> tuple[Rows, NDArray[np.float64]]:
        """(rows, BM25 scores) of the k best passages with a term of the question, best first.

        Arguments as for `rank`.
        """
        rows, scores, _ = self.rank(question, reader_sets, k, allowed_rows=allowed_rows, ties=ties)
        return rows, scores

    def rank(
        self,
        question: str,
        reader_sets: NDArray[np.int64],
        k: int,
        *,
        allowed_rows: NDArray[np.bool_] | Rows | None = None,
        ties: Rows | None = None,
        statistics: Statistics | None = None,
    ) -> Ranking:
        """As `search`, with the ceiling: a score in this view that no passage reaches, however well
        its words match.

        reader_sets: ascending, distinct. allowed_rows narrows the view, statistics included:
        ascending rows, or one flag per row (rows past its end are not allowed). ties: by row, what
        orders equal scores, before the row itself. statistics: of all the parts of which this index
        is one. If None, it is the whole.
        """
        view = sets.visible_blocks(
            self._table, self._first, self._links, check_ascending(reader_sets)
        )
        terms, repeats = count_terms(self._question_analyser.terms(question))
        return scorer.best_passages(
            view,
            terms,
            repeats,
            k,
            k1=self._k1,
            b=self._b,
            allowed_rows=allowed_rows,
            ties=ties,
            statistics=statistics,
        )

    def statistics(
        self,
        question: str,
        reader_sets: NDArray[np.int64],
        *,
        allowed_rows: NDArray[np.bool_] | Rows | None = None,
    ) -> Statistics:
        """What `rank` counts in this view. The sum over parts is what each must rank with."""
        view = sets.visible_blocks(
            self._table, self._first, self._links, check_ascending(reader_sets)
        )
        terms, _ = count_terms(self._question_analyser.terms(question))
        return scorer.statistics_of(view, terms, allowed_rows)

    # --- checkpoints ----------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Writes the index into a folder. Making the folder appear whole is up to the caller."""
        listed = [(int(self._numbers[slot]), self._chain(slot)) for slot in range(self._slots)]
        block_files.write_blocks(
            folder, [(number, self._block(block)) for number, chain in listed for block in chain]
        )

    @classmethod
    def load(cls, folder: Path, k1: float = K1, b: float = B) -> Self:
        """The index that was saved. Raises IndexDamaged unless every byte of it can be used safely."""
        index = cls(k1, b)
        for number, block in reversed(block_files.read_blocks(folder)):
            slot = index._slot_for(number)
            rows = np.sort(blocks.rows(block))
            if np.any(rows[1:] == rows[:-1]) or np.any(index._slot_of_row.get(rows) != ABSENT):
                raise IndexDamaged("The keyword index holds a passage twice.")
            index._slot_of_row.put(rows, slot)
            index._set_chain(slot, [*index._store([block]), *index._chain(slot)])
        return index

    # --- looking inside -------------------------------------------------------------------------

    def held_reader_sets(self) -> list[int]:
        """The reader sets with passages, ascending."""
        return sorted(
            int(self._numbers[slot])
            for slot in range(self._slots)
            if self._first[slot] != sets.NONE
        )

    def reader_sets_of(self, rows: Rows) -> NDArray[np.int64]:
        """The reader set of each of these rows (ascending); -1 if it is not here."""
        slots = self._slot_of_row.get(rows)
        numbers = np.append(self._numbers[: self._slots], -1)
        return numbers[np.where(slots == ABSENT, self._slots, slots)]

    def contents(self, reader_set: int) -> KeywordContents:
        """What stands under a reader set, the same however it came there.

        Postings are read when they are asked for.
        """
        slot = int(sets.slot_of(self._table, reader_set))
        chain = [] if slot == sets.NONE else [self._block(number) for number in self._chain(slot)]
        rows = np.concatenate([np.empty(0, np.int64), *map(blocks.rows, chain)])
        lengths = np.concatenate([np.empty(0, np.int64), *map(blocks.lengths, chain)])
        order = np.argsort(rows, kind="stable")
        known = bool(np.all(self._slot_of_row.get(rows[order]) == slot)) if len(rows) else True
        totals = all(
            blocks.total_length(block) == int(blocks.lengths(block).sum()) for block in chain
        )
        return KeywordContents(rows[order], lengths[order], chain, known and totals)

    def memory_bytes(self) -> int:
        """Bytes of the index, without the words that the analyser remembers."""
        held = sum(block.nbytes + 160 for block in self._blocks if block is not None)
        arrays: tuple[NDArray[Any], ...] = (self._links, self._numbers, self._first, self._table)
        return held + sum(a.nbytes for a in arrays) + self._slot_of_row.memory_bytes()

    # --- blocks of a reader set -----------------------------------------------------------------

    def _slot_for(self, reader_set: int) -> int:
        """The slot of a reader set, a new one if need be."""
        if not 0 <= reader_set < 1 << 63:
            raise ValueError("A reader set's number is not negative.")
        slot = int(sets.slot_of(self._table, reader_set))
        if slot != sets.NONE:
            return slot
        slot = self._slots
        if slot == len(self._numbers):
            self._numbers = _enlarge(self._numbers)
            self._first = _enlarge(self._first)
        self._numbers[slot] = reader_set
        self._slots += 1
        if 2 * self._slots > len(self._table):
            self._table = _new_table(self._slots)
            for known in range(self._slots):
                sets.put_slot(self._table, int(self._numbers[known]), known)
        else:
            sets.put_slot(self._table, reader_set, slot)
        return slot

    def _chain(self, slot: int) -> list[int]:
        """The blocks of a slot, newest first."""
        chain = []
        block = int(self._first[slot])
        while block != sets.NONE:
            chain.append(block)
            block = int(self._links[block, 1])
        return chain

    def _block(self, number: int) -> KeywordBlock:
        block = self._blocks[number]
        assert block is not None
        return block

    def _store(self, kept: Sequence[KeywordBlock]) -> Iterator[int]:
        """Stores blocks and gives their numbers."""
        for block in kept:
            if not self._free:
                self._free.append(len(self._blocks))
                self._blocks.append(None)
            number = self._free.pop()
            if number == len(self._links):
                self._links = _enlarge(self._links)
            self._blocks[number] = block
            self._links[number] = blocks.address(block), sets.NONE
            yield number

    def _take_block(self, number: int) -> KeywordBlock:
        block = self._block(number)
        self._blocks[number] = None
        self._free.append(number)
        return block

    def _set_chain(self, slot: int, chain: Sequence[int]) -> None:
        # an empty chain has no links
        for number, following in zip(chain, [*chain[1:], sets.NONE], strict=False):
            self._links[number, 1] = following
        self._first[slot] = chain[0] if chain else sets.NONE

    def _add_to_slot(self, slot: int, new: Sequence[KeywordBlock]) -> None:
        """Puts blocks before those of a slot, and joins neighbours so that a slot has few blocks,
        most of them full.
        """
        chain = self._chain(slot)
        for block in sorted(new, key=blocks.size):
            chain = self._join_small([*self._store([block]), *chain])
        self._set_chain(slot, chain)

    def _join_small(self, chain: list[int]) -> list[int]:
        """The chain after joining its first block with the next for as long as that is not much
        larger.
        """
        while len(chain) > 1:
            newer, older = (blocks.size(self._block(number)) for number in chain[:2])
            if newer + older > kernels.BLOCK_ROWS or 2 * newer < older:
                break
            joined = blocks.join(self._take_block(chain[1]), self._take_block(chain[0]))
            chain = [*self._store([joined]), *chain[2:]]
        return chain

    def _take_from_slot(self, slot: int, rows: Rows) -> list[KeywordBlock]:
        """Takes these rows (ascending) out of the blocks of a slot; gives them as blocks."""
        taken: list[KeywordBlock] = []
        chain: list[int] = []
        for number in reversed(self._chain(slot)):
            block = self._block(number)
            lowest, highest = blocks.bounds(block)
            some = rows[
                np.searchsorted(rows, lowest) : np.searchsorted(rows, highest, side="right")
            ]
            theirs, others = blocks.divide(block, some) if len(some) else (None, block)
            if theirs is None:
                chain = [number, *chain]
                continue
            taken.append(theirs)
            self._take_block(number)
            if others is not None:
                chain = self._join_small([*self._store([others]), *chain])
        self._set_chain(slot, chain)
        return taken


def _enlarge(array: NDArray[np.int64]) -> NDArray[np.int64]:
    """The array with room for half as much again."""
    grown = np.full((len(array) + max(16, len(array) // 2), *array.shape[1:]), sets.NONE, np.int64)
    grown[: len(array)] = array
    return grown


def _new_table(slots: int) -> NDArray[np.int64]:
    return np.full((max(64, 1 << (4 * slots).bit_length()), 2), sets.NONE, np.int64)
