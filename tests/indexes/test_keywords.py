"""The keyword index against the naive definition of what it computes."""

import contextlib
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from numpy.typing import NDArray

from indexes.derived import keywords
from indexes.derived.keywords import block_files, scorer
from indexes.derived.keywords.analysis import Analyser
from indexes.derived.keywords.index import KeywordIndex
from indexes.errors import IndexDamaged

ANALYSE = Analyser().terms
Ranking = tuple[NDArray[np.int64], NDArray[np.float64]]


def naive(
    texts: Mapping[int, str], question: str, k: int, k1: float = 1.2, b: float = 0.4
) -> Ranking:
    """BM25 over exactly these passages, from its definition."""
    bags = {row: Counter(ANALYSE(text)) for row, text in texts.items()}
    lengths = {row: sum(bag.values()) for row, bag in bags.items()}
    scores = dict.fromkeys(texts, 0.0)
    for term, repeats in Counter(ANALYSE(question)).items():
        frequency = sum(term in bag for bag in bags.values())
        weight = repeats * math.log(1 + (len(texts) - frequency + 0.5) / (frequency + 0.5))
        for row, bag in bags.items():
            if bag[term]:
                slope = k1 * b / (sum(lengths.values()) / len(texts))
                scores[row] += weight * (
                    bag[term] / (bag[term] + (k1 * (1 - b) + slope * lengths[row]))
                )
    best = sorted((-score, row) for row, score in scores.items() if score > 0)[:k]
    return np.array([row for _, row in best], np.int64), np.array(
        [-score for score, _ in best], np.float64
    )


def identical(one: Ranking, other: Ranking) -> bool:
    return one[0].tobytes() == other[0].tobytes() and one[1].tobytes() == other[1].tobytes()


def sets(numbers: Iterable[int]) -> NDArray[np.int64]:
    return np.array(sorted(numbers), np.int64)


WORDS = [
    "pay",
    "rise",
    "salary",
    "menu",
    "soup",
    "E1027",
    "the",
    "ISO-27001",
    "工资",
    "食堂菜单",
    "naïve",
    "the the the the",
]
TEXT = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)
SET = st.sampled_from([0, 1, 7, 1 << 40])
CORPUS = st.lists(st.tuples(SET, TEXT), max_size=25)


def filled(corpus: list[tuple[int, str]]) -> KeywordIndex:
    index = KeywordIndex()
    for row, (number, text) in enumerate(corpus):
        index.add([row], number, [text])
    return index


@given(CORPUS, TEXT, st.sets(SET), st.integers(1, 30))
def test_scores_are_those_of_the_definition_applied_to_the_view(
    corpus: list[tuple[int, str]], question: str, view: set[int], k: int
) -> None:
    visible = {row: text for row, (number, text) in enumerate(corpus) if number in view}
    assert identical(filled(corpus).search(question, sets(view), k), naive(visible, question, k))


@given(CORPUS, TEXT, st.sets(SET), st.sets(st.integers(0, 30)))
def test_a_filter_narrows_the_view_and_its_statistics(
    corpus: list[tuple[int, str]], question: str, view: set[int], wanted: set[int]
) -> None:
    visible = {
        row: text for row, (number, text) in enumerate(corpus) if number in view and row in wanted
    }
    index = filled(corpus)
    mask = np.isin(np.arange(20), sets(wanted))
    within = {row: text for row, text in visible.items() if row < 20}
    assert identical(
        index.search(question, sets(view), 9, allowed_rows=sets(wanted)),
        naive(visible, question, 9),
    )
    assert identical(
        index.search(question, sets(view), 9, allowed_rows=mask), naive(within, question, 9)
    )


class GlobalFrequencies(KeywordIndex):
    """The leak that P1 is about: how rare a word is depends on everybody's passages."""

    def search(self, question: str, reader_sets: NDArray[np.int64], k: int, **_: object) -> Ranking:
        rows, scores = super().search(question, sets(ALL_SETS), len(self))
        visible = np.isin(
            self._slot_of_row.get(np.sort(rows)), [self._slot_for(int(n)) for n in reader_sets]
        )
        kept = np.isin(rows, np.sort(rows)[visible])
        return rows[kept][:k], scores[kept][:k]


ALL_SETS = (0, 1, 2, 5, 7, 1 << 40)
HIDDEN = (2, 5)
EDIT = st.one_of(
    st.tuples(st.just("add"), st.sampled_from(HIDDEN), st.lists(TEXT, min_size=1, max_size=4)),
    st.tuples(st.just("remove"), st.sets(st.integers(0, 40), min_size=1), st.none()),
    st.tuples(st.just("move"), st.sets(st.integers(0, 40), min_size=1), st.sampled_from(HIDDEN)),
)


def edit_hidden(
    index: KeywordIndex, corpus: list[tuple[int, str]], edits: list[tuple[str, Any, Any]]
) -> None:
    """Changes only passages of the hidden reader sets."""
    hidden = {row for row, (number, _) in enumerate(corpus) if number in HIDDEN}
    after = len(corpus)
    for kind, what, how in edits:
        some = sorted(hidden & what) if kind != "add" else []
        if kind == "add":
            index.add(range(after, after + len(how)), what, how)
            hidden |= set(range(after, after + len(how)))
            after += len(how)
        elif kind == "remove":
            index.remove(some)
            hidden -= set(some)
        else:
            index.move(some, how)


MIXED = st.lists(st.tuples(st.sampled_from(ALL_SETS), TEXT), max_size=25)
EDITS = st.lists(EDIT, min_size=1, max_size=6)


def changed_by_hidden_edits(
    make: type[KeywordIndex],
    corpus: list[tuple[int, str]],
    question: str,
    edits: list[tuple[str, Any, Any]],
) -> bool:
    index = make()
    for row, (number, text) in enumerate(corpus):
        index.add([row], number, [text])
    view = sets(set(ALL_SETS) - set(HIDDEN))
    before = index.search(question, view, 10)
    edit_hidden(index, corpus, edits)
    return not identical(before, index.search(question, view, 10))


@given(MIXED, TEXT, EDITS)
def test_passages_that_are_not_visible_change_not_one_bit(
    corpus: list[tuple[int, str]], question: str, edits: list[tuple[str, Any, Any]]
) -> None:
    assert not changed_by_hidden_edits(KeywordIndex, corpus, question, edits)


def test_the_check_above_would_notice_global_frequencies() -> None:
    example = find(
        st.tuples(MIXED, TEXT, EDITS),
        lambda drawn: changed_by_hidden_edits(GlobalFrequencies, *drawn),
        settings=settings(max_examples=2_000, phases=[Phase.generate]),
    )
    assert not changed_by_hidden_edits(KeywordIndex, *example)


class Changes(RuleBasedStateMachine):
    """Any sequence of changes leaves the index that would be built from what is there."""

    def __init__(self) -> None:
        super().__init__()
        self.index = KeywordIndex()
        self.there: dict[int, tuple[int, str]] = {}
        self.next_row = 0

    @rule(number=SET, texts=st.lists(TEXT, max_size=40), gap=st.integers(0, 3000))
    def add(self, number: int, texts: list[str], gap: int) -> None:
        rows = range(self.next_row + gap, self.next_row + gap + len(texts))
        self.index.add(rows, number, texts)
        self.there.update({row: (number, text) for row, text in zip(rows, texts, strict=True)})
        self.next_row = rows.stop

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        rows = data.draw(st.sets(st.sampled_from([*self.there, 0, 10**15])))
        self.index.remove(sorted(rows))
        self.there = {row: kept for row, kept in self.there.items() if row not in rows}

    @rule(data=st.data(), number=SET)
    def move(self, data: st.DataObject, number: int) -> None:
        rows = data.draw(st.sets(st.sampled_from(list(self.there)))) if self.there else set()
        self.index.move(sorted(rows), number)
        self.there.update({row: (number, self.there[row][1]) for row in rows})

    @rule()
    def restart(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self.index.save(Path(folder))
            self.index = KeywordIndex.load(Path(folder))

    @invariant()
    def answers_as_if_built_from_what_is_there(self) -> None:
        assert len(self.index) == len(self.there)
        for view in (set(), {0}, {1, 7}, {0, 1, 7, 1 << 40}):
            visible = {row: text for row, (number, text) in self.there.items() if number in view}
            for question in ("pay rise", "the 工资 ISO 27001"):
                assert identical(
                    self.index.search(question, sets(view), 5), naive(visible, question, 5)
                )


TestChanges = Changes.TestCase
TestChanges.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


def test_a_question_with_very_many_words_is_looked_up_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    corpus = [(row % 9, f"pay the {WORDS[row % len(WORDS)]} soup{row}") for row in range(60)]
    index = filled(corpus)
    visible = {row: text for row, (number, text) in enumerate(corpus) if number < 7}
    monkeypatch.setattr(scorer, "MAX_LOOKUPS", 8)
    for wanted in (None, sets(range(0, 60, 2))):
        within = (
            visible
            if wanted is None
            else {row: visible[row] for row in wanted.tolist() if row in visible}
        )
        found = index.search("pay the soup3 menu", sets(range(7)), 20, allowed_rows=wanted)
        assert identical(found, naive(within, "pay the soup3 menu", 20))


def test_large_sets_are_kept_in_full_blocks_and_many_counts_survive_every_change() -> None:
    random = np.random.default_rng(3)
    texts = {
        row: " ".join(random.choice(WORDS, random.integers(0, 40)).tolist()) for row in range(9_000)
    }
    index = KeywordIndex()
    for start in range(0, 9_000, 300):
        index.add(
            range(start, start + 300), start % 2, [texts[row] for row in range(start, start + 300)]
        )
    some = np.flatnonzero(random.random(9_000) < 0.4)
    index.move(some[::2], 5)
    index.remove(some[1::3])
    there = {row: text for row, text in texts.items() if row not in set(some[1::3].tolist())}
    assert len(list(index._chain(0))) <= 4
    assert identical(index.search("the soup", sets([0, 1, 5]), 500), naive(there, "the soup", 500))


def test_each_of_very_many_small_reader_sets_is_found_alone() -> None:
    index = KeywordIndex()
    for number in range(3_000):
        index.add([number], 7 * number, [f"pay of person{number}"])
    for number in (0, 1, 1_234, 2_999):
        assert index.search("pay person", sets([7 * number]), 5)[0].tolist() == [number]
    assert len(index.search("pay", np.arange(0, 21_000, dtype=np.int64), 5_000)[0]) == 3_000


def test_a_removed_passage_leaves_no_bytes_behind() -> None:
    index, other = KeywordIndex(), KeywordIndex()
    index.add([1, 2, 3], 4, ["soup", "secret menu soup", "pay"])
    index.remove([2])
    other.add([1, 3], 4, ["soup", "pay"])
    assert held(index) == held(other)
    index.remove([1, 3])
    assert len(index) == 0
    assert held(index) == []


def held(index: KeywordIndex) -> list[bytes]:
    return [block.tobytes() for block in index._blocks if block is not None]


def test_equal_scores_are_ordered_by_row() -> None:
    index = KeywordIndex()
    for number in (3, 1, 2):
        index.add(range(10 * number, 10 * number + 4), number, ["soup"] * 4)
    assert index.search("soup", sets([1, 2, 3]), 5)[0].tolist() == [10, 11, 12, 13, 20]


@pytest.mark.parametrize("question", ["", "   ", "?!", "😀", "\x00", "absent", "\ud800"])
def test_a_question_without_a_known_word_finds_nothing(question: str) -> None:
    index = filled([(0, "pay rise"), (0, ""), (0, "...")])
    rows, scores = index.search(question, sets([0]), 5)
    assert (len(rows), len(scores)) == (0, 0)


def test_passages_without_words_count_in_the_statistics() -> None:
    corpus = [(0, ""), (0, "pay"), (1, "")]
    assert identical(filled(corpus).search("pay", sets([0]), 5), naive({0: "", 1: "pay"}, "pay", 5))
    assert len(filled(corpus).search("pay", sets([1]), 5)[0]) == 0


def test_more_is_asked_for_than_there_is() -> None:
    assert filled([(0, "pay"), (0, "soup"), (1, "pay")]).search("pay", sets([0]), 10**9)[
        0
    ].tolist() == [0]


def test_misuse_is_refused() -> None:
    index = filled([(0, "pay")])
    with pytest.raises(ValueError, match="indexed already"):
        index.add([0], 1, ["pay"])
    with pytest.raises(ValueError, match="ascending"):
        index.add([3, 2], 1, ["pay", "pay"])
    with pytest.raises(ValueError, match="2 rows with 1 texts"):
        index.add([2, 3], 1, ["pay"])
    with pytest.raises(ValueError, match="ascending"):
        index.search("pay", np.array([1, 1]), 5)
    with pytest.raises(ValueError, match="negative"):
        index.add([9], -1, ["pay"])
    with pytest.raises(IndexDamaged):
        index.move([7], 1)
    assert len(index) == 1


def test_any_damage_to_a_checkpoint_is_refused_or_harmless(tmp_path: Path) -> None:
    filled([(row % 3, "pay rise the the soup " * row) for row in range(30)]).save(tmp_path)
    random = np.random.default_rng(1)
    for name in (block_files.DATA, block_files.DIRECTORY):
        whole = (tmp_path / name).read_bytes()
        for place in random.integers(0, len(whole), 400).tolist():
            (tmp_path / name).write_bytes(
                whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :]
            )
            with contextlib.suppress(IndexDamaged):
                KeywordIndex.load(tmp_path).search(
                    "pay rise the", np.arange(100, dtype=np.int64), 5
                )
        for cut in (0, 10, 64, 130, len(whole) // 2, len(whole) - 1):
            (tmp_path / name).write_bytes(whole[:cut])
            with pytest.raises(IndexDamaged):
                KeywordIndex.load(tmp_path)
        (tmp_path / name).unlink()
        with pytest.raises(IndexDamaged):
            KeywordIndex.load(tmp_path)
        (tmp_path / name).write_bytes(whole)


@pytest.mark.slow
def test_it_works_where_compiled_code_cannot_be_kept(tmp_path: Path) -> None:
    package = tmp_path / "indexes"
    shutil.copytree(
        Path(keywords.__file__).parents[2], package, ignore=shutil.ignore_patterns("__pycache__")
    )
    (package / "derived" / "keywords" / "__pycache__").write_text("in the way")
    home = tmp_path / "home"
    home.write_text("in the way")
    found = subprocess.run(
        [sys.executable, "-B", "-c", SEARCH_ONCE],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == ["[3]", str(package)]


SEARCH_ONCE = """
import pathlib, numpy, indexes
from indexes.derived.keywords.index import KeywordIndex
index = KeywordIndex()
index.add([3], 0, ["pay rise"])
print(index.search("pay", numpy.array([0]), 1)[0], pathlib.Path(indexes.__file__).parent)
"""
