import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from indexes import embedder as embedding
from indexes.settings import Settings
from indexes.testing import HashingEmbedder
from service.answering.answerer import Answerer
from service.answering.citation_support import MOST, CitationSupport
from service.answering.citations import CitationWriter, Doubt
from service.answering.meaning import SAME, EmbeddedMeaning, Meaning, make_meaning
from service.answering.values import Answer, Ask, CitationFound, Event, Finished, Token
from service.operating.threads import Threads
from service.testing.models import ScriptedModel
from tests.service.given import ADA, Library, hit, shown

HARBOUR = hit(
    "The harbour opens at six in summer. It closes at nine. A berth costs 12 crowns.",
    n=1,
    document="d1",
)
LIBRARY = hit("阅览室在二楼。图书馆周一闭馆。借书证收费12元。", n=2, document="d2")


class Told:
    """Knows which sentences say the same, and waits until it may say so."""

    def __init__(self, **same: str) -> None:
        self.same = same
        self.asked: list[str] = []
        self.free = threading.Event()
        self.free.set()

    def nearest(self, claim: str, sentences: Sequence[str]) -> int | None:
        self.asked.append(claim)
        self.free.wait(10)
        found = next((held for said, held in self.same.items() if said in claim), "nowhere")
        return list(sentences).index(found) if found in sentences else None


def asked(
    reply: str, told: Meaning | None, seen: Callable[[list[Event]], None] = lambda events: None
) -> list[Event]:
    """All events of the answer. seen: called after each, with all so far."""

    async def collected() -> list[Event]:
        library = Library(HARBOUR, LIBRARY)
        cpu = Threads(1)
        by = Answerer(library, ScriptedModel(reply), Settings(), cpu, meaning=told, secret=b"test")
        events: list[Event] = []
        async for event in by.stream(Ask(question="When does it open?"), ADA):
            events.append(event)
            seen(events)
        return events

    return asyncio.run(collected())


def final(events: Sequence[Event]) -> Answer:
    assert isinstance(events[-1], Finished)
    return events[-1].answer


def marks(events: Sequence[Event]) -> list[tuple[int, str, bool]]:
    """Those of the model's own text."""
    answer = final(events)
    assert answer.support
    end = answer.support.quotes_from or len(answer.text)
    return [
        (citation.n, citation.quote, citation.supported)
        for citation in answer.citations
        if citation.span[1] <= end
    ]


def doubts(output: str) -> list[str]:
    writer = CitationWriter(shown(HARBOUR, LIBRARY), "")
    writer.feed(output)
    writer.finish()
    return [doubt.claim for doubt in writer.doubts.values()]


def test_a_claim_in_another_language_is_supported_by_what_says_the_same() -> None:
    events = asked("港口九点关门[1]。周一不开放[1]。", Told(九点关门="It closes at nine."))
    assert marks(events) == [
        (1, "It closes at nine.", True),
        (1, "The harbour opens at six in summer.", False),
    ]


def test_without_anybody_who_knows_meanings_words_decide() -> None:
    assert [supported for _, _, supported in marks(asked("港口九点关门[1]。", None))] == [False]


@pytest.mark.parametrize(
    ("output", "doubtful"),
    [
        ("港口九点关门[1]。", ["港口九点关门。"]),
        ("The reading room is upstairs. [2]", ["The reading room is upstairs."]),
        ("泊位收费12元[1]。", ["泊位收费12元。"]),
        ("泊位收费15元[1]。", []),
        ("A card costs 13 yuan [2].", []),
        ("It closes at nine [1].", []),
        ("The mayor was elected by farmers [1].", []),
        ("图书馆周一闭馆[2]。", []),
        ("市长由农民选举[2]。", []),
    ],
)
def test_only_claims_in_another_language_whose_numbers_agree_are_looked_at_for_meaning(
    output: str, doubtful: list[str]
) -> None:
    assert doubts(output) == doubtful


def test_text_does_not_wait_for_meaning_and_citations_keep_their_order() -> None:
    told = Told(九点关门="It closes at nine.")
    told.free.clear()
    text = "港口九点关门[1]。It closes at nine [1]. And so on."

    def free_at_the_end(events: list[Event]) -> None:
        if "".join(event.text for event in events if isinstance(event, Token)) == text:
            told.free.set()

    events = asked(text, told, free_at_the_end)
    kinds = [type(event) for event in events if isinstance(event, Token | CitationFound)]
    assert kinds.index(CitationFound) > max(
        place for place, kind in enumerate(kinds) if kind is Token
    )
    assert [event.citation for event in events if isinstance(event, CitationFound)] == list(
        final(events).citations
    )
    assert [supported for _, _, supported in marks(events)] == [True, True]


def test_one_answer_has_a_handful_of_citations_looked_at_again() -> None:
    async def looked() -> list[bool]:
        async with CitationSupport(told, Threads(1)) as looking:
            for doubt in some_doubts() * MOST:
                looking.add(doubt.citation, doubt)
            while await looking.wait_for_certain():
                pass
            return [citation.supported for citation in looking.citations]

    told = Told(关门="It closes at nine.", 开门="It closes at nine.")
    assert asyncio.run(looked()) == [True] * MOST + [False] * MOST
    assert len(told.asked) == MOST


def test_a_look_for_meaning_that_fails_leaves_what_words_decided() -> None:
    class Broken:
        def nearest(self, claim: str, sentences: Sequence[str]) -> int | None:
            raise MemoryError

    assert [supported for _, _, supported in marks(asked("港口九点关门[1]。", Broken()))] == [False]


def test_nothing_is_looked_at_any_more_when_the_caller_has_left() -> None:
    async def left() -> int:
        told = Told()
        async with CitationSupport(told, Threads(1)) as looking:
            for doubt in some_doubts():
                looking.add(doubt.citation, doubt)
        await asyncio.sleep(0.05)
        return len(told.asked)

    assert asyncio.run(left()) == 0


def some_doubts() -> list[Doubt]:
    writer = CitationWriter(shown(HARBOUR), "")
    writer.feed("港口九点关门[1]。夏天六点开门[1]。")
    writer.finish()
    return list(writer.doubts.values())


class Vectors(HashingEmbedder):
    """Has a unit vector in the plane for each text."""

    def __init__(self, **degrees: float) -> None:
        super().__init__()
        self.degrees = degrees

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        angles = np.radians([self.degrees[text] for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_the_nearest_sentence_must_be_near_enough() -> None:
    plane = Vectors(claim=0, far=70, near=20, nearer=10)
    assert EmbeddedMeaning(plane, 0.9).nearest("claim", ["far", "near", "nearer"]) == 2
    assert EmbeddedMeaning(plane, 0.9).nearest("claim", ["far"]) is None
    assert EmbeddedMeaning(plane, 0.9).nearest("claim", []) is None


def test_a_model_that_nobody_measured_supports_nothing() -> None:
    assert make_meaning(HashingEmbedder()) is None
    assert make_meaning(HashingEmbedder(name=next(iter(SAME)))) is not None


@pytest.mark.slow
def test_the_packaged_model_knows_a_sentence_in_another_language(
    models: Path, tmp_path: Path
) -> None:
    (tmp_path / "models").symlink_to(models)
    told = make_meaning(embedding.load(Settings(home=tmp_path)))
    assert told is not None
    english = [
        "The harbour opens at six in the morning in summer.",
        "The reading room is on the second floor.",
    ]
    assert told.nearest("夏季港口早上六点开放。", english) == 0
    assert told.nearest("阅览室在二楼。", english) == 1
    assert told.nearest("市长由农民选举产生。", english) is None
