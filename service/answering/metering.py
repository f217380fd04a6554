"""What one request costs: tokens of every call to a model, whether or not its end was waited for."""

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from indexes.errors import GeneratorError
from service.answering.budget import estimate_prompt
from service.llm.port import CompletionPart, LanguageModel, Prompt, ServedModel, TokenCounts


@dataclass(slots=True)
class Spent:
    """Tokens that models took for a request so far."""

    tokens: int = 0


class Metered:
    """A model whose calls are counted as its server tells it, and by an estimate where a call ends
    before the server has told.
    """

    def __init__(self, model: LanguageModel, spent: Spent) -> None:
        self._model = model
        self._spent = spent

    def select_model(self, name: str) -> LanguageModel:
        return Metered(self._model.select_model(name), self._spent)

    def hide_models(self, names: Collection[str]) -> LanguageModel:
        return Metered(self._model.hide_models(names), self._spent)

    async def offered_models(self) -> tuple[ServedModel, ...]:
        return await self._model.offered_models()

    async def served_model(self) -> ServedModel:
        return await self._model.served_model()

    async def count(self, prompt: Prompt) -> int:
        return await self._model.count(prompt)

    async def stream(
        self, prompt: Prompt, *, max_tokens: int, cache_salt: str, stop: Sequence[str] = ()
    ) -> AsyncGenerator[CompletionPart]:
        reported: TokenCounts | None = None
        parts, refused = 0, False
        pieces = self._model.stream(prompt, max_tokens=max_tokens, cache_salt=cache_salt, stop=stop)
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    parts += 1
                    reported = piece.usage or reported
                    yield piece
        except GeneratorError:
            refused = not parts
            raise
        finally:
            if reported is not None:
                self._spent.tokens += reported.prompt_tokens + reported.completion_tokens
            elif not refused:
                self._spent.tokens += round(estimate_prompt(prompt)) + parts
