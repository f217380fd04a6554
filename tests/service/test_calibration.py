"""Thresholds from labelled questions: chosen on one half, tried on the other, stored with the
generation.
"""

import asyncio
import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from indexes.derived.rebuild import rebuild
from indexes.embedder.answer_scorer import WORDS
from indexes.errors import BadInput, Busy
from indexes.model import Principal, SearchResult
from indexes.testing import HashingEmbedder
from service.answering.answer_check.verdict import AnswerCheck
from service.answering.answerer import Answerer
from service.answering.evidence import PACKAGED, SETTING, EvidenceJudge
from service.answering.values import Ask
from service.evaluation import calibration
from service.evaluation.calibration import Calibration, calibrate
from service.evaluation.calibration_report import describe, find_warnings, render_picture
from service.evaluation.cases import Case
from service.evaluation.thresholds import Aims, Measured, OperatingPoint, Share, choose_point
from service.operating.threads import Threads
from tests.world import TESTER, World

THINGS = 80
USER = "user:ada"
FEW_WRONG = Aims(false_refusals=0.05)


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
    found = calibrate(fresh.searcher, cases(range(THINGS)), aims=FEW_WRONG)
    english = found.findings["en"]
    assert english.reached
    assert (english.tried.false_refusals.value or 0) <= 0.15
    assert english.others["unanswerable"] == english.tried.recall
    assert (english.tried.recall.value or 0) >= 0.8
    assert (found.mode, found.too_few, found.left_aside) == ("hybrid", {}, 0)
    assert fresh.catalog.generations.in_force() == (found.generation, {}), "nothing is stored yet"


def test_it_holds_at_the_next_question_once_it_is_stored(fresh: World) -> None:
    answerer = Answerer(
        fresh.searcher,
        None,
        fresh.settings,
        Threads(1),
        judge=EvidenceJudge(fresh.searcher.corpus),
    )
    ada = Principal(name=USER)

    def is_answered(question: str) -> bool:
        return not asyncio.run(answerer.answer(Ask(question=question), ada)).abstained

    hidden = [case.question for case in cases(range(THINGS // 2, THINGS))]
    calibration.switch_abstention_off(fresh.catalog, by=TESTER)
    before = list(filter(is_answered, hidden))
    found = calibrate(fresh.searcher, cases(range(THINGS)), aims=FEW_WRONG)
    calibration.store_calibration(fresh.catalog, found, by=TESTER)
    assert before
    assert not any(map(is_answered, hidden))
    assert is_answered(cases([3])[0].question)
    (line,) = calibration.describe_in_force(fresh.catalog, WORDS)
    assert f"{found.findings['en'].threshold:.4f}" in line
    assert calibration.forget_calibration(fresh.catalog, by=TESTER)
    assert not calibration.forget_calibration(fresh.catalog, by=TESTER)
    assert calibration.describe_in_force(fresh.catalog, WORDS) == []


def test_the_same_questions_give_the_same_thresholds(fresh: World) -> None:
    once, again = (
        calibrate(fresh.searcher, cases(range(THINGS))[::step], aims=FEW_WRONG) for step in (1, -1)
    )
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
    made = calibrate(fresh.searcher, cases(range(THINGS)), aims=FEW_WRONG)
    finding = made.findings["en"]
    calibration.store_calibration(fresh.catalog, made, by=TESTER)
    calibration.store_calibration(
        fresh.catalog,
        replace(made, mode="dense"),
        by=TESTER,
    )
    calibration.store_calibration(fresh.catalog, replace(made, findings={"zh": finding}), by=TESTER)
    lines = calibration.describe_in_force(fresh.catalog, WORDS)
    assert [line.split(":")[0] for line in lines] == [
        "dense search, questions in languages other than Chinese",
        "hybrid search, questions in languages other than Chinese",
        "hybrid search, questions in Chinese",
    ]


def test_it_can_be_switched_off_until_it_is_calibrated_again(fresh: World) -> None:
    made = calibrate(fresh.searcher, cases(range(THINGS)), aims=FEW_WRONG)
    calibration.store_calibration(fresh.catalog, made, by=TESTER)
    calibration.switch_abstention_off(fresh.catalog, by=TESTER)
    assert calibration.describe_in_force(fresh.catalog, WORDS) == []
    calibration.store_calibration(fresh.catalog, made, by=TESTER)
    assert len(calibration.describe_in_force(fresh.catalog, WORDS)) == 1


def test_what_comes_with_the_model_is_told_as_such(tmp_path: Path) -> None:
    world = World(tmp_path, embedder=HashingEmbedder())
    fingerprint = world.embedder.fingerprint
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PACKAGED, fingerprint, {("hybrid", "en"): 0.61})
        assert [line[-22:] for line in calibration.describe_in_force(world.catalog, WORDS)] == [
            "(comes with the model)"
        ]
        calibration.switch_abstention_off(world.catalog, by=TESTER)
        assert calibration.describe_in_force(world.catalog, WORDS) == []
    world.close()


def evidence_instead(question: str, result: SearchResult, check: AnswerCheck) -> float:
    """A measure that many words make smaller."""
    return result.evidence


def test_questions_in_many_words_move_a_threshold_only_if_they_are_to_be_spared(
    fresh: World,
) -> None:
    wordy = "{} " + " ".join(f"word{n}" for n in range(40))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(calibration.WORDY, "en", wordy)
        patch.setattr(calibration, "measure_strength", evidence_instead)
        first, second = (
            calibrate(fresh.searcher, cases(range(THINGS)), aims=FEW_WRONG, spare_wordy=spare)
            for spare in (False, True)
        )
    plain, both = first.findings["en"], second.findings["en"]
    assert plain.wordy is not None
    assert both.wordy is not None
    assert both.threshold < plain.threshold
    assert both.wordy.count <= 0.15 * both.wordy.of < plain.wordy.count
    assert "--spare-wordy" in "\n".join(find_warnings(plain))
    assert "--spare-wordy" not in "\n".join(find_warnings(both))


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
        calibrate(world.searcher, asked, aims=FEW_WRONG)
    assert "50" in (refused.value.remedy or "")
    assert "20" in (refused.value.remedy or "")


def test_a_language_with_few_questions_gets_no_threshold_and_that_is_told(fresh: World) -> None:
    few = [
        Case(id=f"z{n}", question=f"东西{name(n)}的重量是多少？", user=USER, answerable=True)
        for n in range(5)
    ]
    found = calibrate(fresh.searcher, [*cases(range(THINGS)), *few], aims=FEW_WRONG)
    assert (list(found.findings), found.too_few) == (["en"], {"zh": (5, 0)})
    assert any("no threshold (5 answerable, 0 others)" in line for line in describe(found))


def test_questions_of_who_sees_nothing_are_left_aside(fresh: World) -> None:
    fresh.catalog.people.add_user("nobody", by=TESTER)
    blind = [replace(case, user="user:nobody") for case in cases(range(10))]
    asked = [*cases(range(THINGS)), *blind]
    assert calibrate(fresh.searcher, asked, aims=FEW_WRONG).left_aside == len(blind)


def test_progress_is_told_question_by_question(fresh: World) -> None:
    seen: list[tuple[int, int]] = []
    calibration.measure_evidence(
        fresh.searcher, cases(range(3)), progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(n, 6) for n in range(1, 7)]


@pytest.mark.parametrize(
    "aims",
    [
        {"false_refusals": -0.1},
        {"false_refusals": 0.6},
        {"precision": 1.5},
        {"recall": math.nan},
        {"precision": 0.8, "recall": 80},
        {},
    ],
)
def test_an_aim_that_makes_no_sense_is_refused(aims: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="aim"):
        Aims(**aims)


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
        calibrate(world.searcher, asked, aims=FEW_WRONG, progress=switch)
    world.close()


# --- what is aimed at ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "aims",
    [
        Aims(precision=0.9),
        Aims(recall=0.9),
        Aims(precision=0.8, recall=0.8),
        Aims(false_refusals=0.1),
    ],
    ids=str,
)
def test_the_aim_that_is_asked_for_is_reached(fresh: World, aims: Aims) -> None:
    english = calibrate(fresh.searcher, cases(range(THINGS)), aims=aims).findings["en"]
    assert english.reached
    assert aims.shortfall(english.chosen) == 0
    assert english.tried.f1 > english.tried.always.f1 + 0.1
    assert not find_warnings(english) or "--spare-wordy" in find_warnings(english)[0]


def test_another_aim_gives_another_threshold(fresh: World) -> None:
    found = {
        share: calibrate(fresh.searcher, cases(range(THINGS)), aims=Aims(recall=share))
        .findings["en"]
        .threshold
        for share in (0.2, 0.6, 1.0)
    }
    assert found[0.2] < found[0.6] < found[1.0]


def test_a_calibrated_threshold_refuses_what_a_low_one_that_came_with_the_model_lets_through(
    fresh: World,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        packaged = {("hybrid", "en"): 0.001}
        patch.setattr(calibration, "read_strengths", lambda settings, check: packaged)
        english = calibrate(
            fresh.searcher, cases(range(THINGS)), aims=Aims(precision=0.8)
        ).findings["en"]
    assert english.present is not None
    assert english.present.threshold == 0.001
    assert english.present.refuses_almost_nothing
    assert (english.tried.recall.value or 0) > 0.8


def unanswered(numbers: Sequence[int]) -> list[Case]:
    """The questions of which every third is said to have an answer, whatever the documents hold."""
    return [replace(case, answerable=n % 3 > 0) for n, case in enumerate(cases(numbers))]


def test_an_aim_that_cannot_be_reached_is_told_and_nothing_is_kept(fresh: World) -> None:
    found = calibrate(
        fresh.searcher, unanswered(range(THINGS)), aims=Aims(precision=0.99, recall=0.9)
    )
    assert not found.reached
    told = "\n".join(describe(found))
    assert "cannot be reached; the nearest is" in told
    assert "To refuse every question has no lower F1" in told
    calibration.store_calibration(fresh.catalog, found, by=TESTER)
    assert calibration.describe_in_force(fresh.catalog, WORDS) == []
    calibration.store_calibration(fresh.catalog, found, by=TESTER, anyway=True)
    (line,) = calibration.describe_in_force(fresh.catalog, WORDS)
    assert f"{found.findings['en'].threshold:.4f}" in line


def test_a_language_that_misses_the_aim_keeps_its_threshold_while_another_gets_one(
    fresh: World,
) -> None:
    made = calibrate(fresh.searcher, cases(range(THINGS)), aims=FEW_WRONG)
    english = made.findings["en"]
    both = replace(made, findings={"en": english, "zh": replace(english, reached=False)})
    calibration.store_calibration(fresh.catalog, both, by=TESTER)
    (line,) = calibration.describe_in_force(fresh.catalog, WORDS)
    assert "other than Chinese" in line


def test_a_threshold_that_refuses_almost_nothing_comes_with_a_warning(fresh: World) -> None:
    found = calibrate(fresh.searcher, cases(range(THINGS)), aims=Aims(false_refusals=0.0))
    english = found.findings["en"]
    nothing = replace(english, tried=OperatingPoint(0.01, 1, 0, 40, 60))
    assert "refuses almost nothing: 1 of 40" in "\n".join(find_warnings(nothing))


def test_the_curve_stands_between_refusing_nothing_and_refusing_everything(fresh: World) -> None:
    found = calibrate(fresh.searcher, cases(range(THINGS)), aims=Aims(precision=0.8))
    lines = describe(found)
    first = next(n for n, line in enumerate(lines) if "never refuse" in line)
    last = next(n for n, line in enumerate(lines) if "always refuse" in line)
    assert last - first > 5
    assert lines[first].split()[-2:] == ["0.0", "%"]
    assert lines[last].split()[-2:] == ["100.0", "%"]
    (chosen,) = [line for line in lines[first:last] if "chosen" in line]
    assert f"{found.findings['en'].threshold:.4f}" in chosen
    recalls = [point.recall.count for point in found.findings["en"].curve]
    assert recalls == sorted(recalls)


def test_the_picture_draws_every_curve_and_the_choice(fresh: World) -> None:
    found = calibrate(fresh.searcher, cases(range(THINGS)), aims=Aims(precision=0.8))
    picture = ElementTree.fromstring(render_picture(found))
    svg = "{http://www.w3.org/2000/svg}"
    told = [text.text for text in picture.iter(f"{svg}text")]
    assert {"precision", "recall", "F1", "false refusals", "chosen"} <= set(told)
    for line in picture.iter(f"{svg}polyline"):
        points = [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
        assert len(points) > 5
        assert points == sorted(points, key=lambda point: point[0])
    (chosen,) = [line for line in picture.iter(f"{svg}line") if line.attrib["class"] == "mark"]
    assert chosen.attrib["x1"] == chosen.attrib["x2"]


# --- numbers ------------------------------------------------------------------------------------

EVIDENCE = st.lists(st.floats(0, 1) | st.just(math.inf), max_size=60)
SHARES = st.none() | st.floats(0, 0.5)


@given(EVIDENCE, EVIDENCE, SHARES, SHARES, SHARES)
def test_a_choice_reaches_the_aims_if_any_threshold_does(
    yes: list[float], no: list[float], precision: float | None, recall: float | None, wrong: float
) -> None:
    assume(any(share is not None for share in (precision, recall, wrong)))
    aims = Aims(precision=precision, recall=recall, false_refusals=wrong)
    measured = Measured(yes, no)
    chosen, reached = choose_point(measured.points(), aims)
    assert chosen.right == sum(each < chosen.threshold for each in no)
    assert chosen.wrong == sum(each < chosen.threshold for each in yes)
    anywhere = [measured.point(at / 200) for at in range(203)]
    possible = any(aims.shortfall(point) == 0 for point in anywhere)
    assert reached == (aims.shortfall(chosen) == 0)
    assert reached or not possible


@given(EVIDENCE, EVIDENCE, st.floats(0, 0.5))
def test_a_share_of_false_refusals_is_used_as_far_as_it_helps(
    yes: list[float], no: list[float], most: float
) -> None:
    measured = Measured(yes, no)
    chosen, reached = choose_point(measured.points(), Aims(false_refusals=most))
    assert reached
    assert chosen.wrong <= most * len(yes)
    for at in range(203):
        other = measured.point(at / 200)
        assert other.wrong > most * len(yes) or other.right <= chosen.right


def test_questions_that_cannot_be_refused_leave_nothing_to_reach() -> None:
    measured = Measured([math.inf] * 60, [math.inf] * 30)
    assert choose_point(measured.points(), Aims(recall=0.5)) == (measured.point(0.0), False)
    assert choose_point(measured.points(), Aims(false_refusals=0.5)) == (measured.point(0.0), True)


@pytest.mark.parametrize(
    ("share", "low", "high"),
    [
        (Share(0, 10), 0.0, 0.2775),
        (Share(5, 10), 0.2366, 0.7634),
        (Share(0, 0), 0.0, 1.0),
    ],
)
def test_intervals_are_wilsons(share: Share, low: float, high: float) -> None:
    assert list(share.interval()) == pytest.approx([low, high], abs=1e-4)


def test_the_summary_names_every_kind(fresh: World) -> None:
    def kind(case: Case) -> str:
        return "hidden" if int(case.id.split("-")[0]) % 2 else "absent"

    found: Calibration = calibrate(fresh.searcher, cases(range(THINGS)), aims=FEW_WRONG, kind=kind)
    told = "\n".join(describe(found))
    assert set(found.findings["en"].others) == {"hidden", "absent"}
    for expected in ("hidden", "absent", "which is right", "false refusals"):
        assert expected in told
    calibration.store_calibration(fresh.catalog, found, by=TESTER)
    kept = fresh.catalog.generations.settings(found.generation)[SETTING]["hybrid"]["en"]
    tried = found.findings["en"].tried
    assert kept["answerable"] == [tried.wrong, tried.answerable]
    assert kept["aims"] == {"false refusals": 0.05}
