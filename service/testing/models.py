"""A language model that says what it is told to."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from dataclasses import dataclass

from indexes.errors import GeneratorBroken, GeneratorError, NoSuchModel
from service.llm.port import (
    CompletionPart,
    LanguageModel,
    Prompt,
    ServedModel,
    TokenCounts,
)

TOKEN = re.compile(r"\s?\w{1,5}|\s?[^\w\s]|\s")
TURN_TOKENS = 4  # the role, its end and two breaks around each message
OPENING_TOKENS = 3  # the opening of the assistant's turn


def words_without_loop(count: int, word: str = "word") -> str:
    """A long answer. One that says the same again is cut, however slowly it comes."""
    return " ".join(f"{word}{number}" for number in range(count))


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One request that reached the model."""

    prompt: Prompt
    max_tokens: int
    cache_salt: str
    stop: tuple[str, ...]


class ScriptedModel:
    """Answers with a fixed text, or with what a function makes of the prompt. Remembers every call.

    Like the real server it counts with a template, refuses a prompt that leaves no room, stops at
    stop sequences and at max_tokens, and can be slow or fail: `failure` is raised after
    `fail_after` tokens of the answer.
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
        self.calls: list[ModelCall] = []
        self.count_calls = 0  # how often count() was asked
        self.running = 0  # streams open now
        self.abandoned = 0  # streams closed before their end

    def select_model(self, name: str) -> LanguageModel:
        return self if name == self.name else _AbsentModel()

    def hide_models(self, names: Collection[str]) -> LanguageModel:
        return _AbsentModel() if self.name in names else self

    async def offered_models(self) -> tuple[ServedModel, ...]:
        return (await self.served_model(),)

    async def served_model(self) -> ServedModel:
        if self.failure is not None and self.fail_after == 0:
            raise self.failure
        return ServedModel(self.name, self.window)

    async def count(self, prompt: Prompt) -> int:
        self.count_calls += 1
        return count_tokens(prompt)

    async def stream(
        self, prompt: Prompt, *, max_tokens: int, cache_salt: str, stop: Sequence[str] = ()
    ) -> AsyncGenerator[CompletionPart]:
        self.calls.append(ModelCall(prompt, max_tokens, cache_salt, tuple(stop)))
        prompt_tokens = count_tokens(prompt)
        if prompt_tokens + max_tokens > self.window:
            raise GeneratorBroken(
                f"{prompt_tokens} + {max_tokens} tokens do not fit a window of {self.window}."
            )
        text = self.reply if isinstance(self.reply, str) else self.reply(prompt)
        tokens = _split_tokens(_cut_at_stop(text, stop))
        self.running += 1
        done = False
        try:
            for position, token in enumerate(tokens[:max_tokens]):
                self._fail_at(position)
                await asyncio.sleep(self.delay_s)
                yield CompletionPart(token)
            self._fail_at(len(tokens))
            done = True
            finish = "length" if len(tokens) > max_tokens else "stop"
            yield CompletionPart(
                "", finish, TokenCounts(prompt_tokens, min(len(tokens), max_tokens))
            )
        finally:
            self.running -= 1
            self.abandoned += not done

    def _fail_at(self, position: int) -> None:
        if self.failure is not None and position >= self.fail_after:
            raise self.failure


class _AbsentModel(ScriptedModel):
    """The model of a name that nobody has."""

    async def offered_models(self) -> tuple[ServedModel, ...]:
        return ()

    async def served_model(self) -> ServedModel:
        raise NoSuchModel


class ScriptedModels:
    """Several scripted models behind one door; the first is the default."""

    def __init__(self, *models: ScriptedModel) -> None:
        self._models = models

    @property
    def _default(self) -> ScriptedModel:
        return self._models[0] if self._models else _AbsentModel()

    def select_model(self, name: str) -> LanguageModel:
        return next((model for model in self._models if model.name == name), _AbsentModel())

    def hide_models(self, names: Collection[str]) -> LanguageModel:
        return ScriptedModels(*(model for model in self._models if model.name not in names))

    async def offered_models(self) -> tuple[ServedModel, ...]:
        return tuple([await model.served_model() for model in self._models])

    async def served_model(self) -> ServedModel:
        return await self._default.served_model()

    async def count(self, prompt: Prompt) -> int:
        return await self._default.count(prompt)

    def stream(
        self, prompt: Prompt, *, max_tokens: int, cache_salt: str, stop: Sequence[str] = ()
    ) -> AsyncGenerator[CompletionPart]:
        return self._default.stream(prompt, max_tokens=max_tokens, cache_salt=cache_salt, stop=stop)


def count_tokens(prompt: Prompt) -> int:
    """Tokens of a prompt as the scripted model and the fake server count them."""
    if prompt.text is not None:
        return 1 + len(_split_tokens(prompt.text))
    messages = prompt.messages or ()
    return OPENING_TOKENS + sum(
        TURN_TOKENS + len(_split_tokens(message.content)) for message in messages
    )


def _split_tokens(text: str) -> list[str]:
    return TOKEN.findall(text)


def _cut_at_stop(text: str, stop: Sequence[str]) -> str:
    """The text up to the first stop sequence in it."""
    ends = [text.find(mark) for mark in stop if mark and mark in text]
    return text[: min(ends)] if ends else text
