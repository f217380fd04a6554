"""A follow-up question as one that stands alone: what is searched for when somebody asks "And on
Fridays?".

The model writes it from the caller's own conversation. If there is no model, or it fails, or
what it wrote is not made of the conversation's words, rules do (`follow_ups`).
"""

import asyncio
import logging
import re
from collections.abc import Sequence
from contextlib import aclosing

from indexes.errors import GeneratorError
from indexes.text.folding import letters_and_digits
from indexes.text.scripts import Script, script
from indexes.text.sentences import QUESTION_MARKS
from indexes.text.words import terms
from service.answering.follow_ups import complete_by_rule
from service.answering.prompt import Turn, alternate_turns
from service.answering.untrusted import disarm_line, remove_invisible
from service.llm.port import LanguageModel, Message, Prompt
from service.templates.template import PromptStyle

log = logging.getLogger(__name__)

ANSWER_TOKENS = 96
WITHIN_S = 20.0  # then the rule has to do
RECENT_TURNS = 6  # shown to the model
TURN_CHARS = 600  # of each of them
CONTEXT_CHARS = 2_000  # of each turn, whose words the model may use
LONGEST = 400  # characters of a question that is made of words already said
AT_LEAST_SAID = 0.6  # of the words of what the model wrote, that were said before

_TELL: dict[Script, str] = {
    "en": "Rewrite the last question of a conversation so that it can be understood without the conversation. Use the"
    " conversation's words. Do not answer it. Reply with the question alone, on one line.",
    "zh": "改写对话中的最后一个问题，使它不看对话也能理解。使用对话中的词语，不要回答问题，只用一行写出改写后的问题。",
}
_NAMES: dict[Script, tuple[str, str, str, str]] = {
    "en": ("User", "Assistant", "Last question", "Rewritten question"),
    "zh": ("用户", "助手", "最后的问题", "改写后的问题"),
}
_SHOTS: dict[Script, str] = {
    "en": "User: When does the harbour open?\nAssistant: At six.\nLast question: And when does it close?\n"
    "Rewritten question: When does the harbour close?\n\n",
    "zh": "用户：港口几点开放？\n助手：六点。\n最后的问题：那几点关闭？\n改写后的问题：港口几点关闭？\n\n",
}
_LABEL = re.compile(r"^(?:[\w ]{0,30}question|[\w ]{0,10}[问問][题題])\s*[:：]\s*", re.IGNORECASE)


async def make_question_standalone(
    question: str,
    history: Sequence[Turn],
    model: LanguageModel | None,
    style: PromptStyle,
    cache_salt: str,
) -> str:
    """The question, as it is or made to stand alone. Fails with nothing: the rule is always there.

    history: the caller's own turns, oldest first. cache_salt: of this caller alone.
    """
    turns = alternate_turns(history)
    if not turns:
        return question
    written = (
        None
        if model is None
        else await _ask_model(question, turns[-RECENT_TURNS:], model, style, cache_salt)
    )
    return written or complete_by_rule(question, turns)


async def _ask_model(
    question: str, turns: Sequence[Turn], model: LanguageModel, style: PromptStyle, cache_salt: str
) -> str | None:
    """The question that the model writes; None if it is of no use."""
    try:
        async with asyncio.timeout(WITHIN_S):
            prompt = await _fit_prompt(question, turns, model, style)
            said = None if prompt is None else await _read_first_line(prompt, model, cache_salt)
    except (GeneratorError, TimeoutError) as error:
        log.warning("a follow-up was completed by rule: %s", type(error).__name__)
        return None
    return None if said is None else _accept(said, question, turns)


async def _fit_prompt(
    question: str, turns: Sequence[Turn], model: LanguageModel, style: PromptStyle
) -> Prompt | None:
    """A prompt that leaves room for the reply, with as many of the last exchanges as fit; None
    if not even one does.
    """
    room = (await model.served_model()).window - ANSWER_TOKENS
    for first in range(0, len(turns), 2):
        prompt = _make_prompt(question, turns[first:], style)
        if await model.count(prompt) <= room:
            return prompt
    return None


def _make_prompt(question: str, turns: Sequence[Turn], style: PromptStyle) -> Prompt:
    language = script(question)
    user, assistant, last, rewritten = _NAMES[language]
    colon = "：" if language == "zh" else ": "
    lines = [
        f"{user if turn.role == 'user' else assistant}{colon}{_make_line(turn.text)}"
        for turn in turns
    ]
    asked = "\n".join(
        [*lines, f"{last}{colon}{_make_line(question)}", f"{rewritten}{colon}".rstrip()]
    )
    if style == "completion":
        return Prompt(text=f"{_TELL[language]}\n\n{_SHOTS[language]}{asked}")
    return Prompt(messages=(Message("system", _TELL[language]), Message("user", asked)))


def _make_line(text: str) -> str:
    line = disarm_line(text)
    return line if len(line) <= TURN_CHARS else line[:TURN_CHARS].rstrip() + " …"


async def _read_first_line(prompt: Prompt, model: LanguageModel, cache_salt: str) -> str | None:
    """The model's first line; None if it did not come to an end."""
    said = ""
    pieces = model.stream(prompt, max_tokens=ANSWER_TOKENS, cache_salt=cache_salt)
    async with aclosing(pieces):
        async for piece in pieces:
            said += piece.text
            if "\n" in said.strip():
                break
            if piece.finish == "length":
                return None
    return said.strip().split("\n")[0]


def _accept(said: str, question: str, turns: Sequence[Turn]) -> str | None:
    """What the model wrote, if it is this question, made of what was said; small models answer,
    invent, or repeat.
    """
    line = _LABEL.sub("", remove_invisible(said).strip()).strip("\"'“”‘’「」* ")
    wrote = {term.form for term in terms(line, question=True)}
    asked = {term.form for term in terms(question, question=True)}
    known = asked.union(
        *({term.form for term in terms(turn.text[:CONTEXT_CHARS])} for turn in turns)
    )
    if not wrote or len(line) > max(LONGEST, 2 * len(question)):
        return None
    if len(wrote & known) < AT_LEAST_SAID * len(wrote) or 2 * len(wrote & asked) < len(asked):
        return None
    if question.rstrip().endswith(QUESTION_MARKS) and not line.endswith(QUESTION_MARKS):
        return None
    earlier = {letters_and_digits(turn.text) for turn in turns if turn.role == "user"}
    return None if letters_and_digits(line) in earlier - {letters_and_digits(question)} else line
