"""The language model as the service sees it: its name, what it holds, how long a prompt is, an
answer as it grows.
"""

from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The model behind the server, as the server describes it."""

    name: str
    window: int  # tokens of prompt and answer together
    adapter: bool = False  # weights on top of another model's


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model is given: turns of a chat, or one text to go on from. Exactly one of the two."""

    messages: tuple[Message, ...] | None = None
    text: str | None = None
    cache_salt: str = field(default="", compare=False)
    """What is remembered from counting it serves prompts of the same salt only.

    Empty: its lines are not remembered.
    """

    def __post_init__(self) -> None:
        if (self.messages is None) == (self.text is None):
            raise ValueError("a prompt is either messages or text")


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Tokens as the server counted them."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Generated:
    """A stretch of the answer.

    The last one carries why the model stopped, and the usage where the server tells it.
    """

    text: str
    finish: str | None = None  # "stop", or "length" where max_tokens cut it
    usage: TokenCounts | None = None


class LanguageModel(Protocol):
    """A model that answers prompts. Fakes: `service.testing.ScriptedModel`."""

    def named(self, name: str) -> "LanguageModel":
        """The model of that name behind the same servers; whether there is one, `served` tells."""
        ...

    def without(self, names: Collection[str]) -> "LanguageModel":
        """The same for somebody to whom the models of these names do not exist, whatever is served."""
        ...

    async def offered(self) -> tuple[ServedModel, ...]:
        """Every model that can be named, the default first. Raises GeneratorError."""
        ...

    async def served(self) -> ServedModel:
        """Which model answers and how much it holds; asked of the server, remembered briefly.

        Raises GeneratorError, and NoSuchModel where it was named and is not offered, or where
        nothing is.
        """
        ...

    async def count(self, prompt: Prompt) -> int:
        """Tokens of the whole prompt, chat template and opening of the answer included, as the
        server counts them.

        Raises GeneratorError.
        """
        ...

    def stream(
        self, prompt: Prompt, *, max_tokens: int, cache_salt: str, stop: Sequence[str] = ()
    ) -> AsyncGenerator[Generated]:
        """The answer as it grows; exactly one item, the last, has `finish`.

        Closing the iterator stops the model.

        cache_salt: only calls with an equal salt share the server's prefix cache; not empty,
        letters and digits. Raises GeneratorUnavailable, GeneratorTimeout or GeneratorBroken, also
        after some text has been given.
        """
        ...
