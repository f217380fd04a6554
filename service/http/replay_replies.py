"""What callers get of their answers of before."""

from typing import Self

from pydantic import Field

from service.answering.replay import Replay, ReplayedPassage
from service.http.replies import PassageReply, Reply


class ReplayedPassageReply(Reply):
    """What the answerer was shown under the number n."""

    n: int
    document_id: str
    passage_ids: tuple[str, ...]
    may_read: bool
    passage: PassageReply | None

    @classmethod
    def of(cls, shown: ReplayedPassage) -> Self:
        return cls(
            n=shown.n,
            document_id=shown.document_id,
            passage_ids=shown.passage_ids,
            may_read=shown.asker_may_read,
            passage=None if shown.passage is None else PassageReply.of(shown.passage),
        )


class TurnReply(Reply):
    role: str
    content: str


class AnswerReply(Reply):
    """An answer of before: what it was made of. The answer's own text is not kept."""

    answer_id: str
    at: str
    view_id: str
    template: str | None
    model: str | None
    outcome: str | None
    citations: tuple[int, ...]
    question: str | None
    passages: tuple[ReplayedPassageReply, ...]
    near: tuple[ReplayedPassageReply, ...] = Field(
        description="The nearest passages, if nothing answered."
    )
    documents: tuple[str, ...] = Field(
        description="Ids of the documents whose titles the reply to a greeting named."
    )
    prompt: tuple[TurnReply, ...] | str | None

    @classmethod
    def of(cls, shown: Replay) -> Self:
        prompt: tuple[TurnReply, ...] | str | None = None
        if shown.prompt is not None:
            turns = tuple(
                TurnReply(role=each.role, content=each.content)
                for each in shown.prompt.messages or ()
            )
            prompt = shown.prompt.text or turns
        return cls(
            answer_id=shown.answer_id,
            at=shown.at,
            view_id=shown.view_id,
            template=shown.template,
            model=shown.model,
            outcome=shown.outcome,
            citations=shown.citations,
            question=shown.question,
            passages=tuple(ReplayedPassageReply.of(each) for each in shown.passages),
            near=tuple(ReplayedPassageReply.of(each) for each in shown.near),
            documents=shown.documents,
            prompt=prompt,
        )
