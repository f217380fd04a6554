"""What a search leaves out: near-copies, parts of better passages, too much of one document."""

import math
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.catalog.reading import ReadState
from indexes.model import Hit, Mode, Principal, Row
from indexes.search import searcher
from indexes.search.deduplication import Selection
from indexes.search.searcher import Searcher
from indexes.search.sketches import Sketches
from indexes.text import near_copies
from indexes.text.near_copies import FEWEST, adds_nothing, wording_of
from tests.world import MODES, World, as_bytes

FOX = "the quick brown fox jumps over the lazy dog near the river bank"
QUAY = (
    "The quay was rebuilt in stone after the flood. Ropes, nets and lamps are kept in the shed"
    " behind the ferry."
)
QUESTION = "alpha gamma quick brown fox"
ADA = Principal(name="user:ada")


def hit(text: str, *, n: int = 1, document: str = "d1", start: int = 0) -> Hit:
    return Hit(
        row=Row(n), id=f"p{n}", document_id=document, title=document, path=f"{document}.md", media_type="text/plain",
        collection="default", language=None, ordinal=n, text=text, start=start, end=start + len(text), section=(),
        pages=(), page_kind=None, score=1 / n,
    )  # fmt: skip


def select(*hits: Hit, k: int = 100, per_document: int = 100) -> Selection:
    selection = Selection(k, per_document)
    selection.take(hits)
    return selection


def reasons(*hits: Hit, k: int = 100, per_document: int = 100) -> list[tuple[str, str]]:
    left_out = select(*hits, k=k, per_document=per_document).left_out
    return [(left.hit.id, left.reason) for left in left_out]


# --- two texts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "better", "nothing_new"),
    [
        (FOX, FOX.upper().replace(" NEAR", ", near") + ".", True),
        (FOX, FOX.replace("quick", "slow"), False),
        (FOX + " costs 10 euro", FOX + " costs 20 euro", False),
        (QUAY, QUAY.replace("Ropes, nets and lamps", "Nets, lamps and ropes"), True),
        (QUAY[30:90], QUAY, True),
        (QUAY, QUAY[30:90], False),
        ("the flood and the stone shed behind the ropes", QUAY, False),
        ("The berth costs 5", "The berth costs 50 crowns, and the ferry costs nothing.", False),
        ("uay was rebuilt in sto", QUAY, True),
        ("quay", QUAY, False),
        ("The berth costs", "The berth costs 50 crowns, and the ferry costs nothing.", False),
        (QUAY + " It cost 500 crowns.", 3 * QUAY + " It cost 900 crowns.", False),
        (QUAY + " It cost 500 crowns.", FOX + QUAY + " It cost 500 crowns, not 900.", True),
        ("港口在夏天六点开放。", "港口在夏天六点开放", True),
        ("港口在夏天六点开放。", "布告说，港口在夏天六点开放，在冬天八点开放。", True),
        ("港口在夏天六点开放。", "工资在三月上涨。", False),
        ("", FOX, True),
        (FOX, "", False),
    ],
)
def test_a_near_copy_and_a_part_add_nothing(text: str, better: str, nothing_new: bool) -> None:
    assert adds_nothing(wording_of(text), wording_of(better)) is nothing_new


@given(st.lists(st.text(max_size=30), min_size=1, max_size=6), st.integers(0, 5), st.integers(1, 6))
def test_every_text_adds_nothing_to_itself_and_to_what_it_is_a_part_of(
    parts: list[str], first: int, count: int
) -> None:
    whole = wording_of(" ".join(parts))
    assert adds_nothing(whole, whole)
    part = wording_of(" ".join(parts[first : first + count]))
    assert adds_nothing(part, whole) or 0 < len(part.words) < FEWEST


almost_ascii = st.text(st.characters(max_codepoint=127) | st.sampled_from("éßİ港¼²"), max_size=60)


@given(st.text(max_size=60) | st.text(st.characters(max_codepoint=127)) | almost_ascii)
def test_a_wording_is_that_of_the_definition(text: str) -> None:
    in_order = near_copies._WORD.findall(text.casefold())
    numbers = frozenset(word for word in in_order if any(map(str.isdigit, word)))
    wording = wording_of(text)
    assert (wording.words, wording.numbers) == (frozenset(in_order), numbers)
    assert wording.letters == "".join(in_order)


some_words = st.lists(
    st.sampled_from(["soup", "fish", "İ", "港口", "7", "a_b", "é½", "🦊", "\ud800"])
)
alike = st.tuples(some_words, some_words).map(lambda two: (two[0] + two[1], two[1] + two[0]))


@given(st.tuples(st.text(), st.text()) | alike.map(lambda two: (" ".join(two[0]), "".join(two[1]))))
def test_a_quick_look_passes_over_nothing_that_adds_nothing(two: tuple[str, str]) -> None:
    text, better = map(wording_of, two)
    sketches = Sketches.of(two)
    one, other = sketches.part(0), sketches.part(1)
    assert one.may_add_nothing([other])[0] or not adds_nothing(text, better)
    assert sketches.may_add_nothing([])[1] or not adds_nothing(better, text)
    assert sketches.may_add_nothing([])[1] is other.may_add_nothing([one])[0]
    words, numbers = (np.bitwise_count(each).sum() for each in one.bits[0])
    assert words <= len(text.words) or math.isinf(one.missing[0]), "nothing is known of it"
    assert numbers <= len(text.numbers)


def test_a_quick_look_is_enough_for_most_texts() -> None:
    drawn = Random(5)
    texts = [" ".join(f"{drawn.randrange(900)}" for _ in range(150)) for _ in range(40)]
    assert not any(Sketches.of(texts).may_add_nothing([]))


# --- what is left out, and why ------------------------------------------------------------------


def test_a_near_copy_is_left_out_and_told() -> None:
    copy, soup = hit(FOX.upper(), n=2, document="d2"), hit("soup", n=3, document="d3")
    assert reasons(hit(FOX), copy, soup) == [("p2", "duplicate")]
    assert [kept.id for kept in select(hit(FOX), copy, soup).kept] == ["p1", "p3"]


def test_a_part_of_a_better_passage_of_another_document_is_left_out_and_told() -> None:
    part = hit(QUAY[30:90], n=2, document="d2", start=999)
    assert reasons(hit(QUAY), part) == [("p2", "duplicate")]
    assert reasons(part, hit(QUAY)) == []


def test_a_chunk_inside_a_better_one_of_the_same_document_is_left_out() -> None:
    assert reasons(hit("abcdef ghi", start=10), hit("cde", n=2, start=12)) == [("p2", "duplicate")]


def test_the_same_words_with_another_number_are_news() -> None:
    assert reasons(hit(QUAY + " 500 crowns"), hit(QUAY + " 900 crowns", n=2, document="d2")) == []


def test_what_exceeds_the_share_of_its_document_is_left_out_and_told() -> None:
    hits = [hit(f"{chr(96 + n)} different text", n=n, start=100 * n) for n in range(1, 5)]
    other = hit("another voice", n=9, document="d2")
    assert reasons(*hits, other, per_document=2) == [("p3", "document_cap"), ("p4", "document_cap")]


def test_nothing_is_told_of_hits_that_rank_below_the_last_one() -> None:
    hits = [hit(text, n=n, document=f"d{n}") for n, text in enumerate(("soup", FOX, FOX), 1)]
    assert (reasons(*hits, k=2), reasons(*hits, k=3)) == ([], [("p3", "duplicate")])


def test_no_more_is_told_than_was_asked_for() -> None:
    hits = [hit(f"text {n}", n=n, start=100 * n) for n in range(1, 1000)]
    told = reasons(*hits, k=3, per_document=1)
    assert told == [("p2", "document_cap"), ("p3", "document_cap"), ("p4", "document_cap")]


def test_places_that_are_left_go_to_the_best_beyond_the_share_of_a_document() -> None:
    long = [hit(f"{chr(96 + n)} different text", n=n, start=100 * n) for n in range(1, 8)]
    other = hit("another voice", n=5, document="d2")
    selection = Selection(5, 2)
    selection.take([*long[:4], other, *long[4:]])
    selection.fill_up()
    assert [kept.id for kept in selection.kept] == ["p1", "p2", "p3", "p4", "p5"]
    assert (selection.kept[-1], selection.left_out) == (other, ())


def test_others_come_before_what_exceeds_the_share_of_a_document() -> None:
    long = [hit(f"{chr(96 + n)} different text", n=n, start=100 * n) for n in range(1, 5)]
    others = [hit(f"voice {n}", n=n, document=f"d{n}") for n in range(5, 7)]
    selection = select(*long, *others, k=4, per_document=2)
    selection.fill_up()
    assert [kept.id for kept in selection.kept] == ["p1", "p2", "p5", "p6"]
    assert [left.hit.id for left in selection.left_out] == ["p3", "p4"]


def test_no_near_copy_fills_a_place() -> None:
    hits = [hit(FOX), hit("other words", n=2, start=500), hit(FOX.upper(), n=3, start=900)]
    selection = Selection(3, 1)
    selection.take([hits[1], hits[0], hits[2]])
    selection.fill_up()
    assert [kept.id for kept in selection.kept] == ["p2", "p1"]
    assert [(left.hit.id, left.reason) for left in selection.left_out] == [("p3", "duplicate")]


def hits_of(drawn: Sequence[tuple[str, str]]) -> list[Hit]:
    return [
        hit(text, n=n, document=document, start=100 * n)
        for n, (document, text) in enumerate(drawn, 1)
    ]


hits_of_few_words = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(("soup", "fish soup", "7", "8", FOX, ""))),
    max_size=20,
).map(hits_of)


@given(hits_of_few_words, st.integers(1, 20), st.integers(1, 4), st.integers(1, 7))
def test_every_hit_that_was_looked_at_is_kept_or_told(
    hits: Sequence[Hit], k: int, per_document: int, step: int
) -> None:
    at_once = select(*hits, k=k, per_document=per_document)
    in_parts = Selection(k, per_document)
    for start in range(0, len(hits), step):
        in_parts.take(hits[start : start + step])
    assert (in_parts.kept, in_parts.left_out) == (at_once.kept, at_once.left_out)
    kept, left_out = list(at_once.kept), [left.hit for left in at_once.left_out]
    assert len(kept) <= k
    assert len(left_out) <= k
    assert kept == sorted(kept, key=hits.index)
    assert left_out == sorted(left_out, key=hits.index)
    assert not set(kept) & set(left_out)
    if len(left_out) < k:
        looked_at = len(kept) + len(left_out)
        assert {*kept, *left_out} == set(hits[:looked_at])
        assert at_once.full or looked_at == len(hits)


@given(hits_of_few_words, st.integers(1, 20), st.integers(1, 4))
def test_filled_up_it_holds_k_hits_or_all_that_add_something(
    hits: Sequence[Hit], k: int, per_document: int
) -> None:
    selection = select(*hits, k=k, per_document=per_document)
    first = set(selection.kept)
    selection.fill_up()
    uncapped = select(*hits, k=k, per_document=len(hits) + 1).kept
    assert first <= set(selection.kept)
    assert selection.full or all(left.reason == "duplicate" for left in selection.left_out)
    assert len(selection.kept) <= k
    assert len(uncapped) < k or selection.full
    assert list(selection.kept) == sorted(selection.kept, key=hits.index)


# --- in a search --------------------------------------------------------------------------------


@pytest.fixture
def library(world: World) -> World:
    world.people(ada=["hr"], bob=["eng"])
    long = [f"alpha gamma number {n} of many words {n * 7}" for n in range(9)]
    world.put("long", long, "group:hr")
    world.put("copy one", FOX, "group:hr")
    world.put("copy two", FOX.title() + ".", "group:hr")
    return world


def told(world: World, k: int = 20, mode: Mode = "hybrid") -> list[tuple[str, str]]:
    left_out = world.search("ada", QUESTION, k=k, mode=mode).left_out
    return [(left.hit.title, left.reason) for left in left_out]


def results(world: World) -> list[bytes]:
    return [as_bytes(world.search("ada", QUESTION, k=k, mode=m)) for k in (2, 20) for m in MODES]


def test_nothing_hidden_is_told_and_nothing_hidden_changes_what_is_told(library: World) -> None:
    before = results(library)
    library.put("hidden copy", FOX, "group:eng")
    library.put("hidden and longer", f"{QUAY} {FOX} {QUAY}", "group:eng")
    library.put("hidden part", FOX[:40], "group:eng")
    library.put("hidden too", [f"alpha gamma number {n}" for n in range(30)], "group:eng")
    assert results(library) == before, "while nothing hidden has been followed"
    library.searcher.status()
    assert results(library) == before, "when everything has been followed"
    assert not [title for title, _ in told(library) if title.startswith("hidden")]
    library.relabel("copy two", "group:eng")
    assert "duplicate" not in [reason for _, reason in told(library)]


def test_the_comparison_catches_copies_of_what_is_hidden(
    library: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []  # of everybody

    class AmongAllTexts(Selection):
        def _is_inside_another(self, hit: Hit) -> bool:
            wording, others = wording_of(hit.shown), map(wording_of, texts)
            return super()._is_inside_another(hit) or any(adds_nothing(wording, o) for o in others)

    monkeypatch.setattr(searcher, "Selection", AmongAllTexts)
    before = results(library)
    library.put("hidden copy", FOX, "group:eng")
    texts.append(FOX)
    assert results(library) != before


@pytest.mark.parametrize("mode", MODES)
def test_a_search_tells_what_it_left_out_and_why(library: World, mode: Mode) -> None:
    for name in ("one", "two", "three"):
        library.put(name, f"{name} alpha", "group:hr")
    result = library.search("ada", QUESTION, k=8, mode=mode)
    found = [(left.hit.title.split()[0], left.reason) for left in result.left_out]
    assert set(found) <= {("copy", "duplicate"), ("long", "document_cap")}
    assert found.count(("long", "document_cap")) == 5
    assert [hit.title for hit in result.hits].count("long") == 4
    scores = [left.hit.score for left in result.left_out]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= result.hits[-1].score
    ids = [hit.id for hit in (*result.hits, *(left.hit for left in result.left_out))]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("mode", MODES)
def test_a_document_that_is_asked_for_alone_fills_all_places(library: World, mode: Mode) -> None:
    result = library.search("ada", "alpha gamma number many words", k=9, mode=mode)
    long = [hit for hit in result.hits if hit.title == "long"]
    assert len(long) >= 7
    assert len(library.search("ada", QUESTION, k=20, mode=mode).hits) == 10
    scores = [hit.score for hit in result.hits]
    assert scores == sorted(scores, reverse=True)


@pytest.fixture
def rows_read(monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    """Rows whose text was read, in that order."""
    rows: list[Row] = []
    read = ReadState.read

    def noted(state: ReadState, ranked: Sequence[tuple[Row, float]], asker: Principal) -> object:
        rows.extend(row for row, _ in ranked)
        return read(state, ranked, asker)

    monkeypatch.setattr(ReadState, "read", noted)
    return rows


def put_many_copies(world: World) -> None:
    for number in range(30):
        world.put(f"copy {number}", f"{FOX}{'.' * number}", "group:hr")
    world.put("other", f"{QUAY} alpha", "group:hr")


@pytest.mark.parametrize("mode", MODES)
def test_a_deeper_ranking_goes_on_where_the_last_one_ended(
    library: World, mode: Mode, rows_read: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_many_copies(library)
    going_on = as_bytes(library.search("ada", QUESTION, k=6, mode=mode))
    assert len(rows_read) == len(set(rows_read)) > 6 + 3, "each once, and more than one depth"
    monkeypatch.setattr(searcher, "_SPARE", 100.0)  # deep enough at once
    assert as_bytes(library.search("ada", QUESTION, k=6, mode=mode)) == going_on


def test_a_deeper_ranking_that_finds_better_passages_begins_anew(
    library: World, rows_read: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_many_copies(library)
    at_once = as_bytes(library.search("ada", QUESTION, k=6, mode="dense"))
    whole = searcher._Ranking.rank_rows

    def missing_the_best(ranking: searcher._Ranking, depth: int) -> searcher.Ranked:
        if depth >= 10:
            return whole(ranking, depth)
        rows, scores = whole(ranking, depth + 1)
        return rows[1:], scores[1:]

    monkeypatch.setattr(searcher._Ranking, "rank_rows", missing_the_best)
    rows_read.clear()
    assert as_bytes(library.search("ada", QUESTION, k=6, mode="dense")) == at_once
    assert len(rows_read) > len(set(rows_read))


def test_the_place_of_what_is_left_out_goes_to_the_next(library: World) -> None:
    library.put("whole", f"{FOX}. {QUAY}", "group:hr")
    hits = library.search("ada", f"{FOX}. {QUAY}", k=2).hits
    assert hits[0].title == "whole"
    assert (len(hits), hits[1].title) == (2, "long")


def test_what_a_damaged_index_lets_through_is_not_told_either(library: World) -> None:
    for name in ("copy one", "copy two", "long"):
        library.relabel(name, "group:eng")
    library.put("mine", "alpha gamma", "group:hr")
    library.searcher.status()  # everything has been followed now
    derived = library.searcher.corpus.held.current
    mine = [placed for placed in derived.placements.all() if len(placed.rows) == 1]
    for placed in derived.placements.all():  # everything is put into the list that ada may read
        derived.vectors.move(placed.rows, mine[-1].reader_set)
        derived.keywords.move(placed.rows, mine[-1].reader_set)
    assert told(library) == []


def test_a_reranker_changes_nothing_in_what_was_left_out_before_it(library: World) -> None:
    class Backwards:
        def scores(self, question: str, texts: Sequence[str]) -> list[float]:
            return [float(n) for n in range(len(texts))]

    reranked = Searcher(library.catalog, library.embedder, library.settings, reranker=Backwards())
    plain = library.search("ada", QUESTION, k=50).left_out
    assert reranked.search(QUESTION, ADA, 50).left_out == plain
    assert reranked.search(QUESTION, ADA, 2).left_out == plain[:2]


def test_one_document_of_very_many_chunks_does_not_make_the_result_long(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.people(ada=["hr"])
    long = [f"alpha gamma number {n} of many words {n * 7}" for n in range(300)]
    world.put("long", long, "group:hr")
    assert len(world.search("ada", QUESTION, k=5).hits) == 5
    assert told(world, k=5) == []
    world.put("short", "alpha gamma", "group:hr")
    assert len(told(world, k=5)) <= 5
    world.close()
