"""Makes the prompt fit the model's context window, and says where the window went."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from indexes.errors import QuestionTooLong
from indexes.model import Hit
from service.answering.prompt import (
    Excerpt,
    LeftOut,
    Passage,
    Turn,
    alternate_turns,
    make_boundary,
    pack_passages,
    render_prompt,
)
from service.answering.tables import split_units
from service.llm.port import LanguageModel, Prompt
from service.templates.template import Template

# tokens per character, on the high side for prose; only where to look first, never what is relied
# on
ASCII_RATE = 0.3
WIDE_RATE = 0.9  # tokens per ideograph; small models need two and more
LABEL_TOKENS = 16  # number, title and place of a passage, roughly
TURN_TOKENS = 6  # what a chat template puts around a turn, roughly
SLACK = 0.03  # of the room for the prompt: closer than this is close enough
GUESSES = 3  # by proportion; after them by halving, which always ends
LEAST_ANSWER = 64  # tokens; an answer is shortened to this before a question is refused
HISTORY_SHARE = 4  # at most one in four tokens of the prompt for earlier turns
# characters; if not even one sentence fits, the first is cut at a multiple of this
FRAGMENT = 40


@dataclass(frozen=True, slots=True)
class PassageTokens:
    """Tokens that one passage takes in the prompt."""

    n: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The ledger.

    `window == answer + template + question + history + sum(passages) + unused`, to the token.

    The whole prompt is counted exactly, by the served model's tokenizer with its chat template; the
    parts share that count in proportion to an estimate, because the tokens of parts do not add up
    to the tokens of the whole.
    """

    window: int | None  # of the model; None if no model was asked, so nothing had to fit
    answer: int  # reserved for the answer
    template: int
    question: int
    history: int
    passages: tuple[PassageTokens, ...]
    unused: int
    left_out: tuple[LeftOut, ...]
    dropped_turns: int = 0  # of the history, oldest first

    @property
    def prompt_tokens(self) -> int:
        return (
            self.template
            + self.question
            + self.history
            + sum(share.tokens for share in self.passages)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PackingRequest:
    """All that a prompt is made of."""

    template: Template
    question: str
    standalone: str = ""  # the question if no earlier turn is shown; empty if it is the same
    hits: tuple[Hit, ...]  # best first
    left_out: tuple[LeftOut, ...]
    history: tuple[Turn, ...]
    answer_tokens: int  # wanted
    view_id: str
    secret: bytes

    def question_beside(self, history: tuple[Turn, ...]) -> str:
        """The question as the model gets it beside these turns: without any, it has to stand alone."""
        return self.question if history or not self.standalone else self.standalone


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedPrompt:
    """A prompt that fits, counted."""

    prompt: Prompt
    passages: tuple[Passage, ...]
    tokens: int  # of the prompt, exact
    answer_tokens: int  # prompt and answer together never exceed the window
    budget: Budget


@dataclass(frozen=True, slots=True)
class _CountedPrompt:
    """One way to fill the window."""

    prompt: Prompt
    passages: tuple[Passage, ...]
    pieces: tuple[Excerpt, ...]
    tokens: int


def pack_everything(
    hits: Sequence[Hit], left_out: tuple[LeftOut, ...]
) -> tuple[tuple[Passage, ...], Budget]:
    """All passages, if no window limits them."""
    passages = pack_passages([Excerpt(hit, len(hit.text)) for hit in hits])
    nothing = Budget(
        window=None,
        answer=0,
        template=0,
        question=0,
        history=0,
        passages=(),
        unused=0,
        left_out=left_out,
    )
    return passages, nothing


async def fit_prompt(request: PackingRequest, model: LanguageModel, window: int) -> FittedPrompt:
    """The most that fits the window.

    Earlier turns give way first, then the answer's length; then it is refused.

    Asks the model to count once if everything fits. Raises QuestionTooLong with the numbers, and
    GeneratorError.
    """
    answer = min(request.answer_tokens, max(window // 2, 1))
    least = min(answer, LEAST_ANSWER)
    turns = alternate_turns(request.history)
    recent = _choose_recent_turns(turns, (window - answer) // HISTORY_SHARE)
    for history, reserved in dict.fromkeys(((recent, answer), ((), answer), ((), least))):
        fixed = estimate_prompt(
            render_prompt(request.template, request.question_beside(history), (), history, "")
        )
        draft = await _fill_window(request, model, history, window - reserved, fixed)
        if draft is not None and (draft.passages or not request.hits):
            return _add_ledger(
                request, draft, window, reserved, history, len(turns) - len(history), fixed
            )
    alone = await model.count(
        render_prompt(request.template, request.question_beside(()), (), (), "")
    )
    raise QuestionTooLong(
        f"It takes {alone} tokens with its instructions, the answer needs at least {least}, a passage must fit"
        f" beside them, and the model's window holds {window}.",
        remedy="Shorten the question.",
    )


async def _fill_window(
    request: PackingRequest,
    model: LanguageModel,
    history: tuple[Turn, ...],
    room: int,
    fixed: float,
) -> _CountedPrompt | None:
    """The draft with the most text that takes at most `room` tokens; None if not even the
    question does.

    fixed: about how many tokens the prompt has without passages.
    """
    everything = tuple(Excerpt(hit, len(hit.text)) for hit in request.hits)
    tried: _CountedPrompt | None = None
    if fixed + sum(_estimate_piece(piece) for piece in everything) <= room:
        tried = await _count_draft(request, model, everything, history)
        if tried.tokens <= room:
            return tried
    cuts = _list_cuts(request.hits)
    return await _find_largest_cut(
        request, model, history, room, fixed, cuts[: -1 if tried else None], tried
    )


async def _find_largest_cut(
    request: PackingRequest,
    model: LanguageModel,
    history: tuple[Turn, ...],
    room: int,
    fixed: float,
    cuts: Sequence["_Cut"],
    tried: _CountedPrompt | None,
) -> _CountedPrompt | None:
    """The draft of the largest cut that fits, or of one close to it. cuts: growing; tried: more
    than all of them.
    """
    sizes = [fixed + cut.size for cut in cuts]
    low, high = -1, len(cuts)  # low fits, high does not
    rate = tried.tokens / estimate_prompt(tried.prompt) if tried else 1.0
    best: _CountedPrompt | None = None
    guesses = 0
    while high - low > 1:
        guesses += 1
        by_proportion = bisect_right(sizes, room * (1 - SLACK / 2) / rate) - 1
        at = min(max(by_proportion, low + 1), high - 1) if guesses <= GUESSES else (low + high) // 2
        draft = await _count_draft(request, model, cuts[at].pieces(request.hits), history)
        if draft.tokens > room:
            high = at
        else:
            low, best = at, draft
            if room - draft.tokens <= SLACK * room and draft.passages:
                break
        rate = draft.tokens / sizes[at]
    return best


async def _count_draft(
    request: PackingRequest,
    model: LanguageModel,
    pieces: tuple[Excerpt, ...],
    history: tuple[Turn, ...],
) -> _CountedPrompt:
    passages = pack_passages(pieces)
    question = request.question_beside(history)
    mark = make_boundary(request.secret, request.view_id, question, passages)
    prompt = replace(
        render_prompt(request.template, question, passages, history, mark),
        cache_salt=request.view_id,
    )
    return _CountedPrompt(prompt, passages, pieces, await model.count(prompt))


@dataclass(frozen=True, slots=True)
class _Cut:
    """A place where the passages may end: so many whole hits, and so many characters of the next."""

    whole: int
    length: int
    size: float  # estimated tokens up to here

    def pieces(self, hits: Sequence[Hit]) -> tuple[Excerpt, ...]:
        whole = tuple(Excerpt(hit, len(hit.text)) for hit in hits[: self.whole])
        return (*whole, Excerpt(hits[self.whole], self.length)) if self.length else whole


def _list_cuts(hits: Sequence[Hit]) -> list[_Cut]:
    """Every place where the passages may end, from nothing to everything: after a sentence or a
    whole hit.
    """
    cuts = [_Cut(0, 0, 0.0)]
    size = 0.0
    for rank, hit in enumerate(hits):
        size += LABEL_TOKENS + estimate_tokens(hit.header)
        ends = [end for _, end in split_units(hit.text, hit.start, hit.tables)][:-1]
        if rank == 0:  # the best hit is shown in any case, if need be a part of its first sentence
            ends = [*range(FRAGMENT, ends[0] if ends else len(hit.text), FRAGMENT), *ends]
        begin = 0
        for end in ends:
            size += estimate_tokens(hit.text[begin:end])
            begin = end
            cuts.append(_Cut(rank, end, size))
        size += estimate_tokens(hit.text[begin:])
        cuts.append(_Cut(rank + 1, 0, size))
    return cuts


def _choose_recent_turns(turns: tuple[Turn, ...], room: int) -> tuple[Turn, ...]:
    """The last exchanges that take about so many tokens at most."""
    first = len(turns)
    taken = 0.0
    for place in range(len(turns) - 2, -1, -2):  # a question and its answer go together
        taken += sum(_estimate_turn(turn) for turn in turns[place : place + 2])
        if taken > room:
            break
        first = place
    return turns[first:]


def _add_ledger(
    request: PackingRequest,
    draft: _CountedPrompt,
    window: int,
    answer: int,
    history: tuple[Turn, ...],
    dropped: int,
    fixed: float,
) -> FittedPrompt:
    question = estimate_tokens(request.question_beside(history))
    earlier = sum(_estimate_turn(turn) for turn in history)
    shown = [estimate_tokens(passage.shown) + LABEL_TOKENS for passage in draft.passages]
    parts = apportion(
        draft.tokens, [max(fixed - question - earlier, 1.0), question, earlier, *shown]
    )
    budget = Budget(
        window=window,
        answer=answer,
        template=parts[0],
        question=parts[1],
        history=parts[2],
        passages=tuple(
            PassageTokens(passage.n, tokens)
            for passage, tokens in zip(draft.passages, parts[3:], strict=True)
        ),
        unused=window - answer - draft.tokens,
        left_out=(*request.left_out, *_find_left_out(request.hits, draft.pieces)),
        dropped_turns=dropped,
    )
    return FittedPrompt(
        prompt=draft.prompt,
        passages=draft.passages,
        tokens=draft.tokens,
        answer_tokens=answer,
        budget=budget,
    )


def _find_left_out(hits: Sequence[Hit], pieces: Sequence[Excerpt]) -> list[LeftOut]:
    cut = [
        LeftOut.of(piece.hit, "cut", len(piece.hit.text) - piece.length)
        for piece in pieces
        if piece.cut
    ]
    return cut + [LeftOut.of(hit, "budget") for hit in hits[len(pieces) :]]


def apportion(total: int, weights: Sequence[float]) -> list[int]:
    """The total divided in proportion to the weights, in whole numbers that add up to it."""
    scale = total / (sum(weights) or 1.0)
    edges = [0, *(round(edge * scale) for edge in accumulate(weights))]
    edges[-1] = total
    return [after - before for before, after in pairwise(edges)]


def estimate_tokens(text: str) -> float:
    """About how many tokens a text has.

    From its length in characters and bytes alone, so it costs nothing.
    """
    wide = 0.0 if text.isascii() else (len(text.encode("utf-8", "replace")) - len(text)) / 2
    return ASCII_RATE * (len(text) - wide) + WIDE_RATE * wide


def estimate_prompt(prompt: Prompt) -> float:
    """About how many tokens a prompt has."""
    if prompt.text is not None:
        return estimate_tokens(prompt.text)
    return sum(estimate_tokens(message.content) + TURN_TOKENS for message in prompt.messages or ())


def _estimate_piece(piece: Excerpt) -> float:
    shown = f"{piece.hit.header}{piece.hit.text[: piece.length]}"
    return estimate_tokens(shown) + LABEL_TOKENS


def _estimate_turn(turn: Turn) -> float:
    return estimate_tokens(turn.text) + TURN_TOKENS
