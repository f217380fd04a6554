"""Little evidence: the reply of an empty view, told the same way everywhere, and the same whether
nothing exists.
"""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from indexes.catalog import Catalog
from indexes.derived.rebuild import rebuild
from indexes.embedder import load
from indexes.errors import NotFound
from indexes.model import IndexGeneration, Mode, Principal, SearchResult
from indexes.settings import Settings
from indexes.testing import HashingEmbedder
from service.answering.answer_check.verdict import AnswerCheck
from service.answering.answerer import Answerer
from service.answering.evidence import (
    PACKAGED,
    SETTING,
    EvidenceJudge,
    is_weak,
    measure_strength,
    read_strengths,
    read_thresholds,
    share_a_language,
)
from service.answering.phrases import NOTHING_FOUND, OTHER_WORDS
from service.answering.values import Answer, Ask, Event
from service.http.replies import AskReply
from service.operating.threads import Threads
from service.testing.models import ScriptedModel
from tests.service.given import hit
from tests.world import TESTER, World

ADA = Principal(name="user:ada")
HARBOUR = "The harbour opens at six in summer, and it closes at nine in the evening."
QUESTION = "When does the harbour open in summer?"
ASIDE = "What is the name of the painter of the ceiling in the chapel, and when was it finished?"
ZH = "港口在夏天的什么时候开放？"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = opened(tmp_path / "home")
    yield made
    made.close()


def opened(home: Path) -> World:
    world = World(home)
    world.people(ada=["hr"], bob=["eng"])
    world.put("harbour", HARBOUR, "group:hr")
    world.put("berths", "A berth in the harbour costs twelve crowns for the night.", "group:hr")
    world.put(
        "keeper",
        "What is the duty of the keeper when fog comes, was it not the name of the rule?",
        "group:hr",
    )
    return world


def threshold(catalog: Catalog, below: float, *modes: Mode) -> None:
    """Refuse evidence below this, in whatever language is asked."""
    kept = {
        mode: {language: {"threshold": below} for language in ("en", "zh")}
        for mode in modes or ("hybrid",)
    }
    found = catalog.generations.in_force()
    assert found
    catalog.generations.keep_setting(found[0], SETTING, kept, by=TESTER)


def answerer(world: World, model: ScriptedModel | None = None) -> Answerer:
    limiter = Threads(1)
    judge = EvidenceJudge(world.searcher.corpus)
    return Answerer(world.searcher, model, world.settings, limiter, judge=judge, secret=b"test")


def ask(world: World, question: str, model: ScriptedModel | None = None, **more: Any) -> Answer:
    return asyncio.run(answerer(world, model).answer(Ask(question=question, **more), ADA))


def evidence(world: World, question: str, mode: Mode = "hybrid") -> float:
    return world.search("ada", question, k=8, mode=mode).evidence


@pytest.mark.parametrize("mode", ["hybrid", "dense", "keyword"])
@pytest.mark.parametrize("model", [None, ScriptedModel("never asked")], ids=["quotes", "model"])
def test_weak_evidence_gets_the_fixed_answer_and_no_model_is_asked(
    world: World, model: ScriptedModel | None, mode: Mode
) -> None:
    threshold(world.catalog, 0.99, mode)
    given = ask(world, QUESTION, model, mode=mode)
    assert (given.text, given.abstained) == (NOTHING_FOUND["en"], True)
    assert (given.passages, given.citations, given.usage, given.model, given.template) == (
        (),
        (),
        None,
        None,
        None,
    )
    assert {left.reason for left in given.budget.left_out} == {"weak_evidence"}
    assert {left.title for left in given.budget.left_out} <= {"harbour", "berths", "keeper"}
    assert model is None or (model.calls, model.count_calls) == ([], 0)


def test_it_is_the_reply_of_an_empty_view_but_for_what_is_near_and_was_left_out(
    world: World,
) -> None:
    threshold(world.catalog, 0.99)
    model = ScriptedModel()
    little = plain(ask(world, QUESTION, model))
    left_out = little["budget"].pop("left_out")
    assert [each["title"] for each in little.pop("near")] == [each["title"] for each in left_out]
    assert "harbour" in little.pop("advice")
    for uri in ("harbour", "berths", "keeper"):
        world.relabel(uri, "group:eng")
    empty = plain(ask(world, QUESTION, model))
    assert (len(left_out), empty["budget"].pop("left_out")) == (3, [])
    assert (empty.pop("near"), empty.pop("advice")) == ([], OTHER_WORDS["en"])
    assert little | {"view_id": ""} == empty | {"view_id": ""}


def test_the_stream_tells_it_too(world: World) -> None:
    threshold(world.catalog, 0.99)

    async def told() -> list[Event]:
        return [
            event
            async for event in answerer(world, ScriptedModel()).stream(Ask(question=QUESTION), ADA)
        ]

    assert [type(event).__name__ for event in asyncio.run(told())] == [
        "Passages",
        "Token",
        "Finished",
    ]


def test_evidence_at_the_threshold_is_enough(world: World) -> None:
    found = evidence(world, QUESTION)
    model = ScriptedModel("It opens at six [1].")
    threshold(world.catalog, found)
    assert not ask(world, QUESTION, model).abstained
    threshold(world.catalog, found + 1e-9)
    assert ask(world, QUESTION, model).abstained
    assert len(model.calls) == 1


def test_a_threshold_is_for_its_own_way_of_searching(world: World) -> None:
    threshold(world.catalog, 0.99, "dense")
    model = ScriptedModel("It opens at six [1].")
    assert not ask(world, QUESTION, model).abstained
    assert ask(world, QUESTION, model, mode="dense").abstained


def test_without_a_calibration_the_model_decides(world: World) -> None:
    model = ScriptedModel("The documents do not answer this question.")
    assert ask(world, ASIDE, model).abstained
    assert len(model.calls) == 1


def test_a_question_in_another_language_than_the_passages_is_never_refused(world: World) -> None:
    threshold(world.catalog, 0.99)
    model = ScriptedModel("At six [1].")
    assert not ask(world, ZH, model).abstained
    world.put("港口", "港口在夏天六点开放，晚上九点关闭。", "group:hr")
    assert ask(world, ZH, model).abstained
    assert ask(world, ZH, model).text == NOTHING_FOUND["zh"]


@pytest.mark.parametrize(
    ("question", "told", "same"),
    [
        (QUESTION, (HARBOUR,), True),
        ("Wann öffnet der Hafen im Sommer, und wer hat ihn gebaut?", (HARBOUR,), False),
        ("Когда летом открывается гавань?", (HARBOUR,), False),
        (ZH, (HARBOUR,), False),
        (ZH, ("港口在夏天六点开放，晚上九点关闭。",), True),
        (QUESTION, ("港口在夏天六点开放。",), False),
        (QUESTION, (), False),
        ("???", (HARBOUR,), True),
    ],
)
def test_passages_in_the_language_of_a_question_hold_its_small_words(
    question: str, told: tuple[str, ...], same: bool
) -> None:
    assert share_a_language(question, [hit(text, n=n) for n, text in enumerate(told, 1)]) is same


# --- what is near, and does not answer ----------------------------------------------------------

CUP = "The Harbour Cup is rowed in spring. In 2016 the Harbour Cup was won by Nora Lind of Larvik."


def keep_strength(world: World, least: float | None) -> None:
    """What a calibration of the check of answers stores."""
    found = world.catalog.generations.in_force()
    assert found
    kept = None if least is None else {"hybrid": {"en": {"strength": least}}}
    world.catalog.generations.keep_setting(found[0], SETTING, kept, by=TESTER)


@pytest.mark.parametrize(
    "question", ["Who won the Harbour Cup in 2019?", "What did Jonas Berg say of the Harbour Cup?"]
)
def test_a_model_is_not_asked_if_no_document_holds_a_name_or_the_year(
    world: World, question: str
) -> None:
    world.put("cup", CUP, "group:hr")
    model = ScriptedModel("Nora Lind [1].")
    given = ask(world, question, model)
    assert (given.text, given.abstained, model.calls) == (NOTHING_FOUND["en"], True, [])
    assert {left.reason for left in given.budget.left_out} == {"weak_evidence"}
    assert not ask(world, "Who won the Harbour Cup in 2016?", model).abstained


def test_names_that_stand_in_different_documents_are_no_reason_to_refuse(world: World) -> None:
    world.put("cup", CUP, "group:hr")
    world.put("bergen", "Jonas Berg rows for Bergen.", "group:hr")
    model = ScriptedModel("They row [1].")
    assert not ask(world, "Do Nora Lind and Jonas Berg row?", model).abstained


def test_without_a_model_what_does_not_answer_is_shown_and_not_quoted(world: World) -> None:
    world.put("cup", CUP, "group:hr")
    given = ask(world, "Who won the Harbour Cup in 2019?")
    assert (given.abstained, given.citations) == (True, ())
    assert given.passages
    assert ask(world, "Who won the Harbour Cup in 2016?").citations


def test_a_calibrated_strength_holds_for_quotes_and_for_models(world: World) -> None:
    world.put("cup", CUP, "group:hr")
    question, model = "Who won the Harbour Cup in 2016?", ScriptedModel("Nora Lind [1].")
    found = world.search("ada", question, k=8)
    strength = measure_strength(question, found, AnswerCheck())
    for least, refused in ((strength, False), (strength + 1e-9, True), (None, False)):
        keep_strength(world, least)
        assert ask(world, question, model).abstained is refused
        assert ask(world, question).abstained is refused


def test_a_question_in_another_language_has_no_strength_to_refuse_it_by(world: World) -> None:
    assert measure_strength(ZH, world.search("ada", ZH, k=8), AnswerCheck()) == float("inf")


class _Sure:
    """A scorer for which everything answers."""

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        return [0.9 for _ in texts]


def test_strengths_come_with_the_check_and_can_be_switched_off() -> None:
    check = AnswerCheck()
    packaged = read_strengths({}, check)
    assert set(packaged) == {
        (mode, language) for mode in ("hybrid", "dense", "keyword") for language in ("en", "zh")
    }
    kept: dict[str, Any] = {"dense": {"zh": {"threshold": 0.8, "strength": 0.5}}}
    assert read_strengths({SETTING: kept}, check) == {**packaged, ("dense", "zh"): 0.5}
    assert read_strengths({SETTING: {**kept, "off": True}}, check) == {}


def test_a_strength_counts_only_for_the_check_that_measured_it() -> None:
    words, scored = AnswerCheck(), AnswerCheck(_Sure(), "packaged")
    assert read_strengths({}, words) != read_strengths({}, scored)
    for by, counts_for, not_for in (("packaged", scored, words), ("words", words, scored)):
        kept = {SETTING: {"dense": {"zh": {"strength": 0.123, "by": by}}}}
        assert read_strengths(kept, counts_for)["dense", "zh"] == 0.123
        assert read_strengths(kept, not_for) == read_strengths({}, not_for)


# --- hidden or absent ---------------------------------------------------------------------------


def plain(given: Answer) -> dict[str, Any]:
    """A reply without what is random or the clock's."""
    return AskReply.of(given).model_dump(mode="json", exclude={"answer_id", "timings"})


def test_a_hidden_answer_looks_like_none_at_all(tmp_path: Path) -> None:
    replies = []
    for name, there in (("hidden", True), ("absent", False)):
        world = opened(tmp_path / name)
        if there:
            world.put(
                "chapel",
                f"{ASIDE} The painter of the ceiling in the chapel was Amelie.",
                "group:eng",
            )
        threshold(world.catalog, evidence(world, QUESTION))
        assert evidence(world, ASIDE) < evidence(world, QUESTION)
        reply = plain(ask(world, ASIDE, ScriptedModel("never asked")))
        for left in reply["budget"]["left_out"]:
            left.update(passage_id="", document_id="")
        for near in reply["near"]:
            near.update(id="", document_id="")
        replies.append(json.dumps(reply | {"view_id": ""}).encode())
        world.close()
    assert replies[0] == replies[1]
    assert NOTHING_FOUND["en"].encode() in replies[0]


def test_unknown_names_are_refused_whatever_the_evidence(world: World) -> None:
    threshold(world.catalog, 0.99)
    for unknown in (
        Ask(question=QUESTION, template="nobodys"),
        Ask(question=QUESTION, model="nobodys"),
    ):
        with pytest.raises(NotFound):
            asyncio.run(answerer(world, ScriptedModel()).answer(unknown, ADA))


# --- when it holds ------------------------------------------------------------------------------


def test_a_calibration_by_another_process_holds_at_the_next_request(world: World) -> None:
    model = ScriptedModel("It opens at six [1].")
    assert not ask(world, QUESTION, model).abstained
    url = world.settings.catalog_url
    other = (
        "from indexes.catalog import Catalog\n"
        f"catalog = Catalog.open({url!r})\n"
        "kept = {'hybrid': {'en': {'threshold': 0.99}}}\n"
        "from indexes.model import Actor\n"
        "active, by = catalog.generations.active(), Actor('system:test')\n"
        "catalog.generations.keep_setting(active, 'abstention', kept, by=by)\n"
    )
    subprocess.run([sys.executable, "-c", other], check=True, timeout=120)
    assert ask(world, QUESTION, model).abstained
    again = Catalog.open(url)
    found = again.generations.in_force()
    assert found
    again.generations.keep_setting(found[0], SETTING, None, by=TESTER)
    again.close()
    assert not ask(world, QUESTION, model).abstained


def test_another_model_begins_without_the_calibration_of_the_former(world: World) -> None:
    world.searcher._embedders._load = lambda name, *_: HashingEmbedder(name=name)
    threshold(world.catalog, 0.99)
    model = ScriptedModel("It opens at six [1].")
    rebuild(
        world.catalog, "another", lambda name, *_: HashingEmbedder(name=name), grace_s=0, by=TESTER
    )
    assert not ask(world, QUESTION, model).abstained
    rebuild(
        world.catalog, "hashing", lambda name, *_: HashingEmbedder(name=name), grace_s=0, by=TESTER
    )
    assert ask(world, QUESTION, model).abstained, "back with the model for which it was calibrated"


def test_a_model_that_becomes_active_during_a_search_is_not_judged_by_the_threshold_of_the_former(
    world: World,
) -> None:
    world.searcher._embedders._load = lambda name, *_: HashingEmbedder(name=name)
    threshold(world.catalog, 0.99)

    def search() -> SearchResult:
        rebuild(
            world.catalog,
            "another",
            lambda name, *_: HashingEmbedder(name=name),
            grace_s=0,
            by=TESTER,
        )
        return world.search("ada", QUESTION)

    judge = EvidenceJudge(world.searcher.corpus)
    assert not judge.search_with_evidence(QUESTION, search).weak


@pytest.mark.parametrize(
    "kept", [7, [], {"hybrid": 1}, {"hybrid": {"en": {}}}, {"hybrid": {"en": {"threshold": "?"}}}]
)
def test_a_calibration_that_cannot_be_read_refuses_nothing(
    world: World, kept: Any, caplog: pytest.LogCaptureFixture
) -> None:
    generation = world.catalog.generations.active()
    assert generation
    world.catalog.generations.keep_setting(generation, SETTING, kept, by=TESTER)
    with caplog.at_level(logging.WARNING):
        assert not ask(world, QUESTION, ScriptedModel("It opens at six [1].")).abstained
    assert "calibrate again" in caplog.text


def test_settings_of_a_generation_are_kept_one_by_one(world: World) -> None:
    generations = world.catalog.generations
    active = generations.active()
    assert active
    generations.keep_setting(active, "one", {"a": 1}, by=TESTER)
    generations.keep_setting(active, "two", [2], by=TESTER)
    generations.keep_setting(active, "one", None, by=TESTER)
    assert generations.in_force() == (active, {"two": [2]})
    gone = IndexGeneration(id=10**6, model="", fingerprint="", dimension=1, state="retired")
    with pytest.raises(NotFound, match="dropped"):
        generations.keep_setting(gone, "one", 1, by=TESTER)


def test_no_threshold_no_refusal() -> None:
    result = SearchResult(
        hits=(hit(HARBOUR),), view_id="", exactness="exact", mode="hybrid", evidence=0.0
    )
    assert not is_weak(QUESTION, result, {})
    assert is_weak(QUESTION, result, {("hybrid", "en"): 0.1})


@pytest.mark.slow
def test_the_packaged_model_comes_with_thresholds_that_its_fingerprint_names(
    models: Path, tmp_path: Path
) -> None:
    (tmp_path / "models").symlink_to(models)
    packaged = load(Settings(home=tmp_path))
    generation = IndexGeneration(
        id=1, model="", fingerprint=packaged.fingerprint, dimension=384, state="active"
    )
    assert read_thresholds(generation, {}) == {("hybrid", "en"): 0.61, ("hybrid", "zh"): 0.64}


def test_what_is_calibrated_counts_over_what_comes_with_the_model_and_all_can_be_switched_off() -> (
    None
):
    fingerprint, packaged = next(iter(PACKAGED.items()))
    generation = IndexGeneration(
        id=1, model="", fingerprint=fingerprint, dimension=384, state="active"
    )
    kept: dict[str, Any] = {
        "hybrid": {"en": {"threshold": 0.7}},
        "dense": {"zh": {"threshold": 0.8}},
    }
    calibrated = {**packaged, ("hybrid", "en"): 0.7, ("dense", "zh"): 0.8}
    assert read_thresholds(generation, {SETTING: kept}) == calibrated
    assert read_thresholds(generation, {SETTING: {**kept, "off": True}}) == {}


# --- over the wire ------------------------------------------------------------------------------


def test_every_address_tells_it_alike(house: Any, http: TestClient) -> None:
    threshold(house.catalog, 0.99)
    headers, question = house.headers("ada"), "When do the salaries rise by three per cent?"
    said = [
        http.post("/ask", json={"question": question}, headers=headers).json()["answer"],
        http.post(
            "/ask", json={"question": question, "answerer": "quotes"}, headers=headers
        ).json()["answer"],
    ]
    chat = {"model": "scripted", "messages": [{"role": "user", "content": question}]}
    reply = http.post("/v1/chat/completions", json=chat, headers=headers).json()
    said.append(reply["choices"][0]["message"]["content"])
    reply = http.post(
        "/v1/responses", json={"model": "scripted", "input": question}, headers=headers
    ).json()
    said.append(reply["output"][-1]["content"][0]["text"])
    streamed = http.post("/ask", json={"question": question, "stream": True}, headers=headers).text
    assert said == [NOTHING_FOUND["en"]] * 4
    before, done, end = streamed.partition("event: done")
    assert done
    assert "three per cent" not in before, "only what is near tells it"
    assert "three per cent" not in json.loads(end.partition("data: ")[2])["answer"]
    assert NOTHING_FOUND["en"] in streamed
    assert house.model.calls == []
