"""The language model as the service sees it: its name, its window, the length of a prompt, and the
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
class AnswerForm:
    """JSON, and nothing else may be said. The server keeps the model to it."""

    schema: str | None  # as JSON; None: any object


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model is given: turns of a chat, or one text to go on from. Exactly one of the two."""

    messages: tuple[Message, ...] | None = None
    text: str | None = None
    cache_salt: str = field(default="", compare=False)
    """Counts of its lines are remembered for prompts with the same salt only.

    Empty: they are not remembered.
    """
    form: AnswerForm | None = field(default=None, compare=False)
    """What the answer must be. None: text, as the model likes."""

    def __post_init__(self) -> None:
        if (self.messages is None) == (self.text is None):
            raise ValueError("a prompt is either messages or text")


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Tokens as the server counted them."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class CompletionPart:
    """A part of the answer.

    The last part says why the model stopped, and how many tokens were used if the server tells it.
    """

    text: str
    finish: str | None = None  # "stop", or "length" if max_tokens cut it
    usage: TokenCounts | None = None


class LanguageModel(Protocol):
    """A model that answers prompts. Fakes: `service.testing.ScriptedModel`."""

    def select_model(self, name: str) -> "LanguageModel":
        """The model of that name behind the same servers; `served_model` tells whether there is one."""
        ...

    def hide_models(self, names: Collection[str]) -> "LanguageModel":
        """The same models, but those of these names do not exist, whatever is served."""
        ...

    async def offered_models(self) -> tuple[ServedModel, ...]:
        """Every model that can be named, the default first. Raises GeneratorError."""
        ...

    async def served_model(self) -> ServedModel:
        """Which model answers, and the size of its window. The server's reply is remembered briefly.

        Raises GeneratorError, and NoSuchModel if the model was named and is not offered, or if
        none is offered.
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
    ) -> AsyncGenerator[CompletionPart]:
        """The answer as it grows; exactly one item, the last, has `finish`.

        Closing the iterator stops the model.

        cache_salt: only calls with an equal salt share the server's prefix cache; not empty,
        letters and digits. Raises GeneratorUnavailable, GeneratorTimeout or GeneratorBroken, also
        after some text has been given.
        """
        ...
