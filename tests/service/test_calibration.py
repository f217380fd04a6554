"""Thresholds from labelled questions: chosen on one half, tried on the other, stored with the
generation.
"""

import asyncio
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.derived.rebuild import rebuild
from indexes.errors import BadInput, Busy
from indexes.model import Principal
from indexes.testing import HashingEmbedder
from service.answering.answerer import Answerer
from service.answering.evidence import PACKAGED, SETTING, EvidenceJudge
from service.answering.values import Ask
from service.evaluation import calibration
from service.evaluation.calibration import Calibration, RefusedShare, calibrate, threshold_of
from service.evaluation.cases import Case
from service.operating.threads import Threads
from tests.world import TESTER, World

THINGS = 80
USER = "user:ada"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Eighty things with a document each; ada may read about the first forty."""
    made = World(tmp_path_factory.mktemp("calibration"), embedder=HashingEmbedder(512))
    made.people(ada=["hr"], bob=["eng"])
    for number in range(THINGS):
        text = f"What is the weight of the {name(number)}? The {name(number)} has a weight of {number} stones."
        made.put(f"thing{number}", text, "group:hr" if number < THINGS // 2 else "group:eng")
        made.put(f"东西{number}", f"东西{name(number)}的重量是多少？是{number}公斤。", "group:hr")
    yield made
    made.close()


@pytest.fixture
def fresh(world: World) -> Iterator[World]:
    """The same, with nothing calibrated."""
    yield world
    calibration.forget_calibration(world.catalog, by=TESTER)


def name(number: int) -> str:
    return "".join(
        chr(97 + digit)
        for digit in (number % 7, number % 11, number % 13, number % 17, number % 19)
    )


def cases(numbers: Sequence[int], *, twice: bool = True) -> list[Case]:
    asked = ("What is the weight of the {}?", "How many stones is the weight of the {}?")[
        : 2 if twice else 1
    ]
    return [
        Case(
            id=f"{number}-{form}",
            question=text.format(name(number)),
            user=USER,
            answerable=number < THINGS // 2,
        )
        for number in numbers
        for form, text in enumerate(asked)
    ]


def test_the_threshold_parts_what_is_answered_from_what_is_hidden(fresh: World) -> None:
    found = calibrate(fresh.searcher, cases(range(THINGS)), max_refused_share=0.05, wordy=False)
    english = found.findings["en"]
    assert english.answerable.refused <= 0.15 * english.answerable.of
    assert english.others["unanswerable"].refused >= 0.8 * english.others["unanswerable"].of
    assert (found.mode, found.too_few, found.left_aside) == ("hybrid", {}, 0)
    assert fresh.catalog.generations.in_force() == (found.generation, {}), "nothing is stored yet"


def test_it_holds_at_the_next_question_once_it_is_stored(fresh: World) -> None:
    hidden = cases([THINGS - 1])[0].question
    answerer = Answerer(
        fresh.searcher,
        None,
        fresh.settings,
        Threads(1),
        judge=EvidenceJudge(fresh.searcher.corpus),
    )
    ada = Principal(name=USER)
    found = calibrate(fresh.searcher, cases(range(THINGS)), max_refused_share=0.05, wordy=False)
    assert asyncio.run(answerer.answer(Ask(question=hidden), ada)).passages
    calibration.store_calibration(fresh.catalog, found, by=TESTER)
    assert not asyncio.run(answerer.answer(Ask(question=hidden), ada)).passages
    assert asyncio.run(answerer.answer(Ask(question=cases([3])[0].question), ada)).passages
    (line,) = calibration.describe_in_force(fresh.catalog)
    assert f"{found.findings['en'].threshold:.4f}" in line
    assert calibration.forget_calibration(fresh.catalog, by=TESTER)
    assert not calibration.forget_calibration(fresh.catalog, by=TESTER)
    assert asyncio.run(answerer.answer(Ask(question=hidden), ada)).passages


def test_the_same_questions_give_the_same_thresholds(fresh: World) -> None:
    once, again = (calibrate(fresh.searcher, cases(range(THINGS))[::step]) for step in (1, -1))
    assert once.findings == again.findings


def test_halves_are_parted_by_the_question_whoever_asks_it(fresh: World) -> None:
    for case in cases(range(20)):
        halves = {
            each.is_for_choosing
            for user in ("user:ada", "user:bob")
            for each in calibration.measure_evidence(
                fresh.searcher, [replace(case, id=user, user=user)]
            )
        }
        assert len(halves) <= 1


def test_one_calibration_leaves_those_of_other_languages_and_ways_of_searching(
    fresh: World,
) -> None:
    made = calibrate(fresh.searcher, cases(range(THINGS)))
    finding = made.findings["en"]
    calibration.store_calibration(fresh.catalog, made, by=TESTER)
    calibration.store_calibration(
        fresh.catalog,
        replace(made, mode="dense", findings={"en": replace(finding, threshold=0.5)}),
        by=TESTER,
    )
    calibration.store_calibration(
        fresh.catalog, replace(made, findings={"zh": replace(finding, threshold=0.4)}), by=TESTER
    )
    lines = calibration.describe_in_force(fresh.catalog)
    assert [line.split(":")[0] for line in lines] == [
        "dense search, questions in languages other than Chinese",
        "hybrid search, questions in languages other than Chinese",
        "hybrid search, questions in Chinese",
    ]


def test_it_can_be_switched_off_until_it_is_calibrated_again(fresh: World) -> None:
    made = calibrate(fresh.searcher, cases(range(THINGS)))
    calibration.store_calibration(fresh.catalog, made, by=TESTER)
    calibration.switch_abstention_off(fresh.catalog, by=TESTER)
    assert calibration.describe_in_force(fresh.catalog) == []
    calibration.store_calibration(fresh.catalog, made, by=TESTER)
    assert len(calibration.describe_in_force(fresh.catalog)) == 1


def test_what_comes_with_the_model_is_told_as_such(tmp_path: Path) -> None:
    world = World(tmp_path, embedder=HashingEmbedder())
    fingerprint = world.embedder.fingerprint
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PACKAGED, fingerprint, {("hybrid", "en"): 0.61})
        assert [line[-22:] for line in calibration.describe_in_force(world.catalog)] == [
            "(comes with the model)"
        ]
        calibration.switch_abstention_off(world.catalog, by=TESTER)
        assert calibration.describe_in_force(world.catalog) == []
    world.close()


def test_questions_asked_in_many_words_are_spared_too(fresh: World) -> None:
    first, second = (
        calibrate(fresh.searcher, cases(range(THINGS)), max_refused_share=0.05, wordy=wordy)
        for wordy in (False, True)
    )
    plain, both = first.findings["en"], second.findings["en"]
    assert plain.wordy is None
    assert both.threshold < plain.threshold
    assert both.wordy
    assert both.wordy.refused <= 0.15 * both.wordy.of


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ([], "none"),
        (cases(range(40)), "80 answerable and 0 others"),
        (cases(range(20, 80), twice=False), "20 answerable and 40 others"),
    ],
)
def test_too_few_questions_are_refused_with_what_is_needed(
    world: World, asked: list[Case], told: str
) -> None:
    with pytest.raises(BadInput, match=told) as refused:
        calibrate(world.searcher, asked)
    assert "50" in (refused.value.remedy or "")
    assert "20" in (refused.value.remedy or "")


def test_a_language_with_few_questions_gets_no_threshold_and_that_is_told(fresh: World) -> None:
    few = [
        Case(id=f"z{n}", question=f"东西{name(n)}的重量是多少？", user=USER, answerable=True)
        for n in range(5)
    ]
    found = calibrate(fresh.searcher, [*cases(range(THINGS)), *few])
    assert (list(found.findings), found.too_few) == (["en"], {"zh": (5, 0)})
    assert any("no threshold (5 answerable, 0 others)" in line for line in found.lines())


def test_questions_of_who_sees_nothing_are_left_aside(fresh: World) -> None:
    fresh.catalog.people.add_user("nobody", by=TESTER)
    blind = [replace(case, user="user:nobody") for case in cases(range(10))]
    assert calibrate(fresh.searcher, [*cases(range(THINGS)), *blind]).left_aside == len(blind)


def test_progress_is_told_question_by_question(fresh: World) -> None:
    seen: list[tuple[int, int]] = []
    calibration.measure_evidence(
        fresh.searcher, cases(range(3)), progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(n, 6) for n in range(1, 7)]


@pytest.mark.parametrize("max_refused_share", [-0.1, 0.6, math.nan])
def test_a_share_that_makes_no_sense_is_refused(world: World, max_refused_share: float) -> None:
    with pytest.raises(BadInput, match="share"):
        calibrate(world.searcher, [], max_refused_share=max_refused_share)


def test_a_model_that_becomes_active_meanwhile_ends_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.people(ada=["hr"])
    world.put("a", "What is the weight of the anchor?", "group:hr")
    world.searcher._embedders._load = lambda name, *_: HashingEmbedder(name=name)
    asked = [
        Case(id=str(n), question=f"What is the weight of {n}?", user=USER, answerable=n % 2 == 0)
        for n in range(3)
    ]

    def switch(done: int, total: int) -> None:
        if done == 1:
            rebuild(
                world.catalog,
                "another",
                lambda name, *_: HashingEmbedder(name=name),
                grace_s=0,
                by=TESTER,
            )

    with pytest.raises(Busy, match="became active"):
        calibrate(world.searcher, asked, progress=switch)
    world.close()


# --- numbers ------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1), min_size=1, max_size=300), st.floats(0, 0.5))
def test_a_threshold_refuses_at_most_the_wanted_share_and_a_higher_one_would_not(
    evidence: list[float], max_refused_share: float
) -> None:
    threshold = threshold_of(evidence, max_refused_share)
    assert sum(each < threshold for each in evidence) <= max_refused_share * len(evidence)
    assert sum(each < threshold + 2e-4 for each in evidence) > max_refused_share * len(evidence) - 1


def test_questions_that_cannot_be_refused_leave_no_threshold() -> None:
    assert threshold_of([math.inf] * 60, 0.02) == 0.0
    assert threshold_of([], 0.02) == 0.0


@pytest.mark.parametrize(
    ("share", "low", "high"),
    [
        (RefusedShare(0, 10), 0.0, 0.2775),
        (RefusedShare(5, 10), 0.2366, 0.7634),
        (RefusedShare(0, 0), 0.0, 1.0),
    ],
)
def test_intervals_are_wilsons(share: RefusedShare, low: float, high: float) -> None:
    assert list(share.interval()) == pytest.approx([low, high], abs=1e-4)


def test_the_summary_names_every_kind(fresh: World) -> None:
    def kind(case: Case) -> str:
        return "hidden" if int(case.id.split("-")[0]) % 2 else "absent"

    found: Calibration = calibrate(fresh.searcher, cases(range(THINGS)), kind=kind)
    told = "\n".join(found.lines())
    assert set(found.findings["en"].others) == {"hidden", "absent"}
    for expected in (
        "of the hidden, which is right",
        "of the absent, which is right",
        "of the answerable, which is wrong",
    ):
        assert expected in told
    calibration.store_calibration(fresh.catalog, found, by=TESTER)
    kept = fresh.catalog.generations.settings(found.generation)[SETTING]["hybrid"]["en"]
    assert kept["answerable"] == [
        found.findings["en"].answerable.refused,
        found.findings["en"].answerable.of,
    ]
