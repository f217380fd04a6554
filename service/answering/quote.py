"""Answers without a model: quotes from the passages, the sentence that says nothing was found, or the
reply to a greeting.
"""

from dataclasses import replace

from service.answering import extractive, phrases
from service.answering.budget import pack_everything
from service.answering.growing_answer import GrowingAnswer
from service.answering.values import Answer
from service.operating.threads import Threads


async def answer_nothing_found(growing: GrowingAnswer) -> Answer:
    """The fixed answer if the search gave nothing; no model is asked."""
    found, asked = growing.found, growing.found.asked
    await growing.show(*pack_everything((), found.left_out))
    text = phrases.NOTHING_FOUND[asked.writing]
    await growing.say(text)
    return growing.complete(text, answerer="model" if asked.model else "quotes", abstained=True)


async def answer_courtesy(growing: GrowingAnswer, text: str) -> Answer:
    """The reply to a greeting or thanks, which is no answer and rests on no passage."""
    await growing.show(*pack_everything((), ()))
    await growing.say(text)
    return growing.complete(text, answerer="service", abstained=False)


async def answer_with_quotes(
    growing: GrowingAnswer, cpu: Threads, notice: str | None = None
) -> Answer:
    """The best sentences of the passages; if the caller has been shown passages already, of those."""
    found, asked = growing.found, growing.found.asked
    verdict = found.verdict
    if growing.passages is None:
        await growing.show(*pack_everything(found.hits, found.left_out))
    else:
        verdict = None  # it is of all that was found, and fewer may have been shown
    chosen = await cpu.run(
        extractive.choose_quotes,
        asked.question,
        growing.passages or (),
        verdict,
        found.least_strength,
    )
    quoted = extractive.compose_answer(chosen)
    for text, citation in quoted:
        await growing.say(text)
        await growing.cite(citation)
    if not quoted:
        await growing.say(phrases.NOT_ANSWERED[asked.writing])
    whole = "".join(text for text, _ in quoted) or phrases.NOT_ANSWERED[asked.writing]
    answer = growing.complete(whole, answerer="quotes", abstained=not quoted)
    return replace(answer, citations=tuple(citation for _, citation in quoted), notice=notice)
