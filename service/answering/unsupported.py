"""What becomes of a model's answer that the passages do not support."""

from dataclasses import replace

from service.answering import extractive, phrases
from service.answering.citations import Citation
from service.answering.growing_answer import GrowingAnswer
from service.answering.quote import answer_with_quotes
from service.answering.values import Answer, Support
from service.operating.threads import Threads

LEAST = 0.5  # share of an answer's sentences that must be supported for it to stand alone


def is_supported(support: Support) -> bool:
    """Whether enough of an answer is."""
    return is_enough(support.supported, len(support.sentences))


def is_enough(supported: int, claims: int) -> bool:
    """Whether an answer may stand alone, of whose claims so many are supported. What claims nothing
    answers nothing.
    """
    return claims > 0 and supported >= LEAST * claims


async def add_quotes(growing: GrowingAnswer, answer: Answer, cpu: Threads) -> Answer:
    """The answer, which has been told, with the quotes below it that do answer, if there are any."""
    asked = growing.found.asked
    chosen = await cpu.run(extractive.choose_quotes, asked.question, growing.passages or ())
    pieces = extractive.compose_answer(chosen)
    if not pieces or answer.support is None:
        return answer
    intro = f"\n\n{phrases.QUOTES_BELOW[asked.writing]}\n"
    begun = len(answer.text) + len(intro)
    await growing.say(intro)
    citations: list[Citation] = []
    for text, citation in pieces:
        start, end = citation.span
        citations.append(replace(citation, span=(begun + start, begun + end)))
        await growing.say(text)
        await growing.cite(citations[-1])
    return replace(
        answer,
        text=answer.text + intro + "".join(text for text, _ in pieces),
        citations=(*answer.citations, *citations),
        support=replace(answer.support, quotes_from=begun),
    )


async def replace_by_quotes(growing: GrowingAnswer, answer: Answer, cpu: Threads) -> Answer:
    """Quotes instead of the answer, of which nothing has been told."""
    writing = growing.found.asked.writing
    quoted = await answer_with_quotes(growing, cpu, phrases.REPLACED[writing])
    return replace(
        quoted,
        notice=phrases.WITHHELD[writing] if quoted.abstained else quoted.notice,
        caveat=True,
        usage=answer.usage,
        model=answer.model,
        template=answer.template,
    )


async def withhold(growing: GrowingAnswer, answer: Answer) -> Answer:
    """The sentence that the documents do not answer instead of the answer, of which nothing has
    been told.
    """
    writing = growing.found.asked.writing
    text = phrases.NOT_ANSWERED[writing]
    await growing.say(text)
    return replace(
        growing.complete(text, answerer="model", abstained=True),
        usage=answer.usage,
        model=answer.model,
        template=answer.template,
        notice=phrases.WITHHELD[writing],
        caveat=True,
    )
