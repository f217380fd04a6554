"""What is recorded of a question, and of what its asker is shown. Ids only: no text of a document has
a place in it, and the question only if the settings say so.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any, Protocol

from indexes.catalog.audit.chain import Entry
from indexes.model import Principal, SearchResult
from service.answering.budget import Budget
from service.answering.prompt import Passage
from service.answering.steps import Asked, Found
from service.answering.values import Answer
from service.llm.port import Prompt
from service.operating.threads import Threads


class Trail(Protocol):
    """Where it is recorded: `indexes.catalog.audit.trail`."""

    def record(self, *entries: Entry) -> None:
        """Returns once they are written."""
        ...


class AnswerRecords:
    """Records each answer before its asker sees any of it. Holds no state between answers."""

    def __init__(
        self, trail: Trail, threads: Threads, secret: bytes, *, keep_questions: bool
    ) -> None:
        """threads: where it waits for the writing. secret: keys the digests of prompts."""
        self._trail = trail
        self._threads = threads
        self._secret = secret
        self._keep_questions = keep_questions

    async def begin(
        self, found: Found, passages: Sequence[Passage], budget: Budget, prompt: Prompt | None
    ) -> None:
        """What the asker is about to be shown."""
        asked = self._asked(found, passages, budget, prompt)
        await self._threads.run(self._trail.record, asked)

    async def end(
        self, found: Found, answer: Answer, prompt: Prompt | None, *, begun: bool
    ) -> None:
        """The answer as it left. begun: whether `begin` was told of it."""
        entries = [_answered(found, answer)]
        if not begun:
            entries.insert(0, self._asked(found, answer.passages, answer.budget, prompt))
        await self._threads.run(self._trail.record, *entries)

    def _asked(
        self, found: Found, passages: Sequence[Passage], budget: Budget, prompt: Prompt | None
    ) -> Entry:
        asked = found.asked
        body: dict[str, Any] = {
            "kind": "asked",
            "answer": asked.answer_id,
            **who(asked.principal),
            "view": found.view_id,
            "template": None if found.template is None else found.template.label,
            "passages": [_passage(passage) for passage in passages],
        }
        if budget.left_out:  # the reply tells their titles
            body["left_out"] = [[left.document_id, left.passage_id] for left in budget.left_out]
        if found.near:  # the reply shows them if nothing else is shown
            body["near"] = [_passage(passage) for passage in found.near]
        if found.named:
            body["documents"] = list(found.named)
        if prompt is not None:
            body["prompt"] = prompt_digest(prompt, self._secret)
        if self._keep_questions:
            body |= {"question": asked.ask.question, "dropped_turns": budget.dropped_turns}
            body |= _own_words(asked)
        return Entry(body=body, subject=asked.answer_id)


def _own_words(asked: Asked) -> dict[str, Any]:
    """What the asker said before. What an earlier answer said, and what may have been made of it, is
    text of documents.
    """
    said = [[turn.role, turn.text] for turn in asked.ask.history if turn.role == "user"]
    is_all = len(said) == len(asked.ask.history)
    return {"history": said, "standalone": asked.question if is_all else None}


def who(principal: Principal) -> dict[str, Any]:
    """Who asks, as records tell it."""
    told = {"who": principal.name, "who_id": principal.id, "key": principal.key}
    return told if principal.acted_by is None else {**told, "acted_by": principal.acted_by}


def searched(principal: Principal, result: SearchResult, question: str | None) -> Entry:
    """A search and what it found. question: None if it is not to be kept."""
    body = {
        "kind": "searched",
        **who(principal),
        "view": result.view_id,
        "passages": [[hit.document_id, hit.id] for hit in result.hits],
    }
    return Entry(body=body if question is None else {**body, "question": question})


def opened(
    principal: Principal,
    document_id: str,
    passage_id: str | None = None,
    *,
    original: bool = False,
) -> Entry:
    """A document, its original file, or one passage and what stands around it."""
    body = {"kind": "opened", **who(principal), "document": document_id, "passage": passage_id}
    return Entry(body={**body, "original": True} if original else body)


def listed(principal: Principal, document_ids: Sequence[str]) -> Entry:
    """A page of the list of documents."""
    return Entry(body={"kind": "listed", **who(principal), "documents": list(document_ids)})


def shown_again(principal: Principal, answer_id: str, document_ids: Sequence[str]) -> Entry:
    """An answer of before. document_ids: whose text is shown with it."""
    told = {"answer": answer_id, "documents": list(document_ids)}
    return Entry(body={"kind": "shown-again", **who(principal), **told}, subject=answer_id)


def prompt_digest(prompt: Prompt, secret: bytes) -> str:
    """The same for the same prompt. Nobody without the secret can find out what a short one says."""
    turns = [[message.role, message.content] for message in prompt.messages or ()]
    told = json.dumps([prompt.text, turns]).encode()
    return hmac.new(secret, b"prompt " + told, hashlib.sha256).hexdigest()


def _passage(passage: Passage) -> dict[str, Any]:
    told: dict[str, Any] = {"document": passage.document_id, "passages": list(passage.hits)}
    return {**told, "end": passage.end} if passage.cut else told


def _outcome(answer: Answer) -> str:
    if answer.answerer == "service":
        return "greeted"
    return "abstained" if answer.abstained else "answered"


def _answered(found: Found, answer: Answer) -> Entry:
    body = {
        "kind": "answered",
        "answer": answer.answer_id,
        **who(found.asked.principal),
        "outcome": _outcome(answer),
        "answerer": answer.answerer,
        "model": answer.model,
        "citations": [citation.n for citation in answer.citations],
    }
    if answer.near and answer.passages:  # shown once more, as the nearest
        body["near"] = [passage.n for passage in answer.near]
    if answer.usage is not None:
        body["tokens"] = [answer.usage.prompt_tokens, answer.usage.completion_tokens]
    return Entry(body=body, subject=answer.answer_id)
