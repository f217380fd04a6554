"""An answer shown again: what its asker was shown then, as far as the reader may read it now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from indexes.catalog.reading import ReadState
from indexes.errors import ClearanceError, NotFound
from indexes.model import Hit, Principal, Row
from indexes.text.scripts import script
from service.answering.prompt import (
    Excerpt,
    Passage,
    Turn,
    alternate_turns,
    make_boundary,
    pack_passages,
    render_prompt,
)
from service.answering.recording import prompt_digest
from service.llm.port import Prompt
from service.templates.template import PromptStyle, TemplateSource

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedPassage:
    """A passage that the asker was shown under the number n."""

    n: int
    document_id: str
    passage_ids: tuple[str, ...]
    # as it was shown; None if the reader may not read it now, or nothing is kept of it
    passage: Passage | None
    asker_may_read: bool  # now


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What is known of an answer."""

    answer_id: str
    at: str  # ISO 8601
    who: str
    view_id: str
    template: str | None
    model: str | None
    outcome: str | None  # answered | abstained | greeted; None if it was never finished
    citations: tuple[int, ...]
    question: str | None  # None if it was not kept
    passages: tuple[ReplayedPassage, ...]
    near: tuple[ReplayedPassage, ...]  # shown because nothing answered
    documents: tuple[str, ...]  # ids of those whose titles it named
    # to the letter what the model was given; None if it cannot be told
    prompt: Prompt | None = None


def find_asked(records: Sequence[Record]) -> Record:
    """The record of the question. Raises NotFound."""
    for record in records:
        if record["kind"] == "asked":
            return record
    raise NotFound


def is_asker(asked: Record, caller: Principal) -> bool:
    """Whether this is who asked: by id, which stays when a name goes to somebody else; only who has
    none is known by name.
    """
    if asked["who_id"] is None or caller.id is None:
        return (asked["who"], asked["who_id"]) == (caller.name, caller.id)
    return bool(asked["who_id"] == caller.id)


def replay(
    records: Sequence[Record],
    state: ReadState,
    reader: Principal,
    asker: Principal,
    *,
    removed_too: bool = False,
) -> Replay:
    """records: of one answer. reader: for whom texts are read. asker: as far as it may ask today.

    removed_too: of documents that are gone as well, if the reader could read them at last. Raises
    NotFound.
    """
    asked = find_asked(records)
    ended = next((record for record in records if record["kind"] == "answered"), {})

    def replay_passages(told: Sequence[Record]) -> tuple[ReplayedPassage, ...]:
        return tuple(
            _replay_passage(n, each, state, reader, asker, removed_too=removed_too)
            for n, each in enumerate(told, start=1)
        )

    passages = replay_passages(asked["passages"])
    again = [each for each in passages if each.n in ended.get("near", ())]
    return Replay(
        answer_id=asked["answer"],
        at=asked["at"],
        who=asked["who"],
        view_id=asked["view"],
        template=asked["template"],
        model=ended.get("model"),
        outcome=ended.get("outcome"),
        citations=tuple(ended.get("citations", ())),
        question=asked.get("question"),
        passages=passages,
        near=tuple(again) or replay_passages(asked.get("near", ())),
        documents=tuple(asked.get("documents", ())),
    )


def add_prompt(
    shown: Replay,
    records: Sequence[Record],
    templates: TemplateSource,
    reader: Principal,
    style: PromptStyle,
    secret: bytes,
) -> Replay:
    """With the prompt, if it is certain that it is the same as then.

    For that the question must have been kept, and the reader must be able to read all passages and
    to use the template.
    """
    asked = find_asked(records)
    passages = [each.passage for each in shown.passages if each.passage is not None]
    if shown.question is None or shown.template is None or len(passages) != len(shown.passages):
        return shown
    try:
        template = templates.choose(shown.template, reader, style, script(shown.question))
    except ClearanceError:
        return shown
    turns = alternate_turns(Turn(role, text) for role, text in asked["history"])
    turns = turns[asked["dropped_turns"] :]
    question = shown.question if turns else asked["standalone"] or shown.question
    mark = make_boundary(secret, shown.view_id, question, passages)
    prompt = render_prompt(template, question, passages, turns, mark)
    same = prompt_digest(prompt, secret) == asked.get("prompt")
    return replace(shown, prompt=prompt) if same else shown


def _replay_passage(
    n: int,
    told: Record,
    state: ReadState,
    reader: Principal,
    asker: Principal,
    *,
    removed_too: bool,
) -> ReplayedPassage:
    ids = tuple(told["passages"])
    found = state.recorded(told["document"], ids, reader, removed_too=removed_too)
    passage = None
    if len(found) == len(set(ids)):
        passage = _pack_again(n, [found[each] for each in ids], told.get("end"))
    return ReplayedPassage(
        n=n,
        document_id=told["document"],
        passage_ids=ids,
        passage=passage,
        asker_may_read=state.may_read_document(told["document"], asker),
    )


def _pack_again(n: int, hits: Sequence[Hit], end: int | None) -> Passage:
    """The passage of these hits, best first. end: where it was cut, if it was."""
    pieces = []
    for place, hit in enumerate(hits):
        length = len(hit.text)
        if end is not None and hit.start < end < hit.end:
            length = end - hit.start
        pieces.append(Excerpt(replace(hit, row=Row(-1 - place)), length))
    return replace(pack_passages(pieces)[0], n=n)
