"""Answers without a model: quotes from the passages, or the sentence that says nothing was found."""

from collections.abc import AsyncGenerator
from dataclasses import replace

from anyio import CapacityLimiter, to_thread

from service.answering import extractive, phrases
from service.answering.budget import pack_everything
from service.answering.run import Run
from service.answering.values import CitationFound, Event, Finished


async def answer_nothing_found(run: Run) -> AsyncGenerator[Event]:
    """The fixed answer if the search gave nothing; no model is asked."""
    yield run.show(*pack_everything((), run.found.left_out))
    text = phrases.NOTHING_FOUND[run.language]
    yield run.say(text)
    yield Finished(run.answer(text, answerer="model" if run.model else "quotes", abstained=True))


async def answer_with_quotes(
    run: Run, cpu: CapacityLimiter, notice: str | None = None
) -> AsyncGenerator[Event]:
    """The best sentences of the passages; if the caller has been shown passages already, of those."""
    if run.passages is None:
        yield run.show(*pack_everything(run.found.hits, run.found.left_out))
    chosen = await to_thread.run_sync(
        extractive.choose_quotes, run.question, run.passages or (), limiter=cpu
    )
    quoted = extractive.compose_answer(chosen)
    for text, citation in quoted:
        yield run.say(text)
        yield CitationFound(citation)
    if not quoted:
        yield run.say(phrases.NOT_ANSWERED[run.language])
    whole = "".join(text for text, _ in quoted) or phrases.NOT_ANSWERED[run.language]
    answer = run.answer(whole, answerer="quotes", abstained=not quoted)
    yield Finished(
        replace(answer, citations=tuple(citation for _, citation in quoted), notice=notice)
    )
