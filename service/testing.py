"""A language model that says what it is told to, for tests and demonstrations."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

from indexes.errors import GeneratorBroken, GeneratorError
from service.llm import Generated, Prompt, ServedModel, Usage

TOKEN = re.compile(r"\s?\w{1,5}|\s?[^\w\s]|\s")
TURN_TOKENS = 4  # the role, its end and two breaks around each message
OPENING_TOKENS = 3  # the opening of the assistant's turn


@dataclass(frozen=True, slots=True)
class Call:
    """One request that reached the model."""

    prompt: Prompt
    max_tokens: int
    cache_salt: str
    stop: tuple[str, ...]


class ScriptedModel:
    """Answers with a fixed text, or with what a function makes of the prompt. Remembers every call.

    Like the real server it counts with a template, refuses a prompt that leaves no room, stops at stop sequences and
    at max_tokens, and can be slow or fail: `failure` is raised after `fail_after` tokens of the answer.
    """

    def __init__(
        self,
        reply: str | Callable[[Prompt], str] = "I do not know.",
        *,
        name: str = "scripted",
        window: int = 4096,
        delay_s: float = 0.0,
        failure: GeneratorError | None = None,
        fail_after: int = 0,
    ) -> None:
        self.reply = reply
        self.name = name
        self.window = window
        self.delay_s = delay_s  # before each token
        self.failure = failure
        self.fail_after = fail_after
        self.calls: list[Call] = []
        self.counted = 0  # how often count() was asked
        self.running = 0  # streams open now
        self.abandoned = 0  # streams closed before their end

    async def served(self) -> ServedModel:
        if self.failure is not None and self.fail_after == 0:
            raise self.failure
        return ServedModel(self.name, self.window)

    async def count(self, prompt: Prompt) -> int:
        self.counted += 1
        return length(prompt)

    async def stream(
        self, prompt: Prompt, *, max_tokens: int, cache_salt: str, stop: Sequence[str] = ()
    ) -> AsyncGenerator[Generated]:
        self.calls.append(Call(prompt, max_tokens, cache_salt, tuple(stop)))
        prompt_tokens = length(prompt)
        if prompt_tokens + max_tokens > self.window:
            raise GeneratorBroken(f"{prompt_tokens} + {max_tokens} tokens do not fit a window of {self.window}.")
        text = self.reply if isinstance(self.reply, str) else self.reply(prompt)
        tokens = _tokens(_until(text, stop))
        self.running += 1
        done = False
        try:
            for position, token in enumerate(tokens[:max_tokens]):
                self._fail_at(position)
                await asyncio.sleep(self.delay_s)
                yield Generated(token)
            self._fail_at(len(tokens))
            done = True
            finish = "length" if len(tokens) > max_tokens else "stop"
            yield Generated("", finish, Usage(prompt_tokens, min(len(tokens), max_tokens)))
        finally:
            self.running -= 1
            self.abandoned += not done

    def _fail_at(self, position: int) -> None:
        if self.failure is not None and position >= self.fail_after:
            raise self.failure


def length(prompt: Prompt) -> int:
    """Tokens of a prompt as the scripted model and the fake server count them."""
    if prompt.text is not None:
        return 1 + len(_tokens(prompt.text))
    messages = prompt.messages or ()
    return OPENING_TOKENS + sum(TURN_TOKENS + len(_tokens(message.content)) for message in messages)


def _tokens(text: str) -> list[str]:
    return TOKEN.findall(text)


def _until(text: str, stop: Sequence[str]) -> str:
    """The text up to the first stop sequence in it."""
    ends = [text.find(mark) for mark in stop if mark and mark in text]
    return text[: min(ends)] if ends else text
