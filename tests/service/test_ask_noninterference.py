"""P1 for whole answers: hidden documents and hidden templates change no byte of what /ask gives to
a caller.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from math import nextafter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexes.catalog import templates
from indexes.catalog.filters import Filters
from indexes.catalog.template_choice import TemplateText
from indexes.errors import ClearanceError, NotFound
from indexes.model import Principal, Readers, SearchResult
from indexes.search.document_list import DocumentList, ViewSummary
from service.answering.answer_check.verdict import AnswerCheck
from service.answering.answerer import Answerer
from service.answering.evidence import SETTING, EvidenceJudge
from service.answering.greetings import Greeter
from service.answering.prompt import Turn
from service.answering.values import Ask
from service.http.replies import AskReply
from service.llm.port import Prompt
from service.operating.threads import Threads
from service.templates.store import CatalogTemplates
from service.testing.models import ScriptedModel
from tests.indexes.test_noninterference import count_hidden_writes
from tests.quick import QUICK
from tests.service.test_templates import USER, open_gate
from tests.world import TESTER, World

ADA = Principal(name="user:ada")
WORDS = ["budget", "salary", "canteen", "alpha", "beta", "预算", "the", "of"]
HISTORY = (Turn("user", "What about the salary budget?"), Turn("assistant", "It rises [1]."))
ASKS = (
    Ask(question="alpha salary budget"),
    Ask(question="And the beta?", history=HISTORY),
    Ask(question="alpha beta", answerer="quotes"),
    Ask(question="alpha", template="mine"),
    Ask(question="alpha", template="hidden0"),
    Ask(question="alpha", template="hidden1@1"),
    Ask(question="canteen nothing at all", k=2),
    Ask(question="nobody asks for what the alpha of the gamma ray is", answerer="quotes"),
    Ask(question="What can I ask here?"),
    Ask(question="你好", filters=Filters(path_prefix="mine")),
    Ask(question="And the salary?", history=HISTORY, answerer="quotes"),
    Ask(question="Who set the salary of Beta in 2019?"),
    Ask(question="Who set the salary of Beta in 2019?", answerer="quotes"),
)

text = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)
hidden_readers = st.sampled_from([("group:eng",), ("user:bob",), ()])
edits = st.lists(
    st.tuples(st.sampled_from(["put", "delete", "save", "activate", "canary", "rollback", "relabel"]),
              st.integers(0, 2), text, hidden_readers,
              st.sampled_from(["default", "name", "group:hr", "user:ada"])),
    min_size=1, max_size=8,
)  # fmt: skip


def echo(prompt: Prompt) -> str:
    """A deterministic model whose answer depends on every byte that it is told."""
    return f"Seen {hashlib.sha256(repr(prompt).encode()).hexdigest()[:12]} [1]. budget salary [2]."


class EchoScorer:
    """A scorer whose scores depend on every byte that it is told."""

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        said = (hashlib.sha256(f"{question}\0{text}".encode()).digest() for text in texts)
        return [digest[0] / 255 for digest in said]


def replies(world: World) -> list[bytes]:
    """Everything that ada gets, apart from the random id and the clock; errors too."""
    source, limiter = CatalogTemplates(world.catalog), Threads(1)
    model, secret = ScriptedModel(echo), world.catalog.secret
    greeter = Greeter(world.searcher, DocumentList(world.catalog))

    def answerer(check: AnswerCheck) -> Answerer:
        return Answerer(
            world.searcher,
            model,
            world.settings,
            limiter,
            templates=source,
            judge=EvidenceJudge(world.searcher.corpus, check),
            secret=secret,
            greeter=greeter,
        )

    words, scored = answerer(AnswerCheck()), answerer(AnswerCheck(EchoScorer(), "echo"))
    quotes = [(scored, ask) for ask in ASKS if ask.answerer == "quotes"]
    said = []
    for by, ask in [*((words, ask) for ask in ASKS), *quotes]:
        try:
            reply = AskReply.of(asyncio.run(by.answer(ask, ADA)))
            said.append(reply.model_dump_json(exclude={"answer_id", "timings"}).encode())
        except ClearanceError as error:
            said.append(f"{type(error).__name__}: {error} {error.remedy}".encode())
    return said


def opened(folder: str, documents: list[str]) -> World:
    world = World(Path(folder))
    world.people(ada=["hr"], bob=["eng"])
    for number, body in enumerate(documents):
        world.put(f"mine{number}", body, "group:hr")
    save(world, "mine", "Of ada", "group:hr")
    for audience in ("name", "default"):
        world.catalog.templates.activate("mine", 1, audience=audience, by=TESTER)
    return world


def save(world: World, name: str, word: str, *allow: str) -> int:
    said = TemplateText(
        variables=(), system=f"{word} {{{{ no_answer }}}}", user=USER, no_answer="Not there."
    )
    readers = Readers(allow=frozenset(allow))
    return world.catalog.templates.save(name, "chat", "en", said, readers, by=TESTER).version


def change_what_is_hidden(world: World, edit: tuple[str, int, str, tuple[str, ...], str]) -> None:
    kind, number, words, readers, audience = edit
    name, known = f"hidden{number}", world.catalog.templates
    saved = any(info.name == name for info in known.list())
    if kind == "put":
        world.put(name, words, *readers)
    elif kind == "delete":
        world.catalog.documents.delete(name, by=TESTER)
    elif kind == "save":
        save(world, name, words, *readers)
    elif saved and kind == "activate":
        known.activate(name, 1, audience=audience, by=TESTER)
    elif saved and kind == "canary" and audience != "name":
        save(world, f"{name}-b", words, *readers)
        known.activate(name, 1, audience=audience, candidate=f"{name}-b@1", share=0.9, by=TESTER)
    elif kind == "rollback" and any(each.version.startswith(f"{name}@") and each.audience == audience
                                    for each in known.activations(name)):  # fmt: skip
        known.rollback(name, audience=audience, by=TESTER)
    elif saved and kind == "relabel":
        known.relabel(name, Readers(allow=frozenset(readers)), by=TESTER)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(text, min_size=1, max_size=5), edits)
def test_nothing_hidden_changes_a_byte_of_an_answer(
    documents: list[str], hidden: list[Any]
) -> None:
    with tempfile.TemporaryDirectory(dir=QUICK) as folder:
        world = opened(folder, documents)
        before = replies(world)
        for edit in hidden:
            change_what_is_hidden(world, edit)
        assert replies(world) == before
        world.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(text, min_size=1, max_size=5), edits, st.sampled_from(ASKS), st.booleans())
def test_nothing_hidden_changes_which_evidence_is_too_weak(
    documents: list[str], hidden: list[Any], ask: Ask, above: bool
) -> None:
    with tempfile.TemporaryDirectory(dir=QUICK) as folder:
        world = opened(folder, documents)
        refuse_about(world, ask.question, above=above)
        before = replies(world)
        for edit in hidden:
            change_what_is_hidden(world, edit)
        assert replies(world) == before
        world.close()


def refuse_about(world: World, question: str, *, above: bool) -> None:
    """A threshold that is exactly the evidence of a question, or the next number above it."""
    found = world.search("ada", question, k=8).evidence
    kept = {"threshold": nextafter(found, 2.0) if above else found}
    generation = world.catalog.generations.active()
    assert generation
    world.catalog.generations.keep_setting(
        generation, SETTING, {"hybrid": {"en": kept, "zh": kept}}, by=TESTER
    )


def test_the_comparison_catches_evidence_of_what_is_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = opened(str(tmp_path), ["alpha salary the of", "beta canteen the of"])
    refuse_about(world, "alpha salary budget", above=True)
    honest = world.searcher.search

    def of_everybody(*given: Any, **how: Any) -> SearchResult:
        everybody = honest(
            given[0], Principal(name="user:bob", groups=frozenset({"group:hr"})), *given[2:], **how
        )
        return replace(honest(*given, **how), evidence=everybody.evidence)

    monkeypatch.setattr(world.searcher, "search", of_everybody)
    before = replies(world)
    change_what_is_hidden(world, ("put", 0, "alpha salary budget", ("group:eng",), ""))
    assert replies(world) != before
    world.close()


def test_what_is_compared_has_passages_that_are_near_and_titles(tmp_path: Path) -> None:
    world = opened(str(tmp_path), ["alpha salary the of", "beta canteen the of"])
    refuse_about(world, "alpha salary budget", above=True)
    said = b"\n".join(replies(world))
    assert b'"near":[{' in said
    assert b"- mine0" in said
    assert "您可以阅读的文档：2份".encode() in said
    world.close()


def test_the_comparison_catches_counts_of_what_is_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = DocumentList.summary

    def of_everybody(self: DocumentList, principal: Principal, filters: Filters) -> ViewSummary:
        everybody = Principal(name="user:bob", groups=frozenset({"group:hr"}))
        return honest(self, everybody, filters)

    monkeypatch.setattr(DocumentList, "summary", of_everybody)
    assert leaks(tmp_path)


def leaks(folder: Path) -> bool:
    """Whether hidden documents or templates change an answer."""
    world = opened(str(folder), ["alpha salary budget", "beta canteen"])
    before = replies(world)
    change_what_is_hidden(world, ("put", 0, "alpha salary budget beta", ("group:eng",), ""))
    for audience in ("name", "default"):
        change_what_is_hidden(world, ("save", 0, "Hidden", ("group:eng",), audience))
        change_what_is_hidden(world, ("activate", 0, "", (), audience))
    after = replies(world)
    world.close()
    return before != after


def test_the_comparison_finds_nothing_where_nothing_is_planted(tmp_path: Path) -> None:
    assert not leaks(tmp_path)


def test_the_comparison_catches_templates_without_readers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for gate in ("first", "second"):
        open_gate(gate, monkeypatch)
    assert leaks(tmp_path)


def test_the_comparison_catches_an_error_that_tells_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = templates.Templates.choose_by_name

    def telling(self: templates.Templates, principal: Principal, name: str, style: str) -> Any:
        found = honest(self, principal, name, style)
        if found is None and any(info.name == name for info in self.list()):
            raise NotFound("You may not use that one.")
        return found

    monkeypatch.setattr(templates.Templates, "choose_by_name", telling)
    assert leaks(tmp_path)


def test_the_comparison_catches_a_boundary_that_counts_hidden_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_hidden_writes(monkeypatch)
    assert leaks(tmp_path)
