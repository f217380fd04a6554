"""The language models, each for those who may use it.

What a caller may not use is handled exactly like what does not exist.
"""

from contextlib import suppress
from typing import Protocol

from indexes.errors import BadInput, GeneratorError, NoSuchModel
from indexes.model import Principal
from service.llm.port import LanguageModel, ServedModel
from service.operating.threads import Threads

QUOTES = "clearance-quotes"  # listed beside the served models: answers with quotes, no model needed
MAX_LOOKUPS = 16  # rights looked up at the same time; this never waits behind work that burns CPU


def refuse_quotes(name: str) -> None:
    """Raises BadInput if the rule is about the name that stands for quotes, which is no model."""
    if name == QUOTES:
        raise BadInput(
            f"{QUOTES} is no model: it quotes what the asker may read, and is always there."
        )


class ModelRights(Protocol):
    """Who may use which model."""

    def hidden_from(self, principal: Principal) -> frozenset[str]:
        """The models that this asker may not use. Blocking. Raises NotAuthenticated."""
        ...


class PermittedModels:
    """The served models that each caller may use.

    Rights are read anew at every request.
    """

    def __init__(self, model: LanguageModel | None, rights: ModelRights | None = None) -> None:
        """rights: None if everybody may use every model, as in a benchmark."""
        self._model = model
        self._rights = rights
        self._threads = Threads(MAX_LOOKUPS)

    async def models_for(self, principal: Principal) -> LanguageModel | None:
        """The models of this caller. None if there is none for them, as if none were configured."""
        if self._model is None or self._rights is None:
            return self._model
        hidden = await self._threads.run(self._rights.hidden_from, principal)
        if not hidden:
            return self._model
        theirs = self._model.hide_models(hidden)
        try:
            with suppress(GeneratorError):  # whether it can answer now shows when it is asked
                await theirs.served_model()
        except NoSuchModel:
            return None
        return theirs

    async def list_for(self, principal: Principal) -> tuple[ServedModel, ...]:
        """Every model that this caller can name, the default first.

        Empty while the servers cannot be reached.
        """
        theirs = await self.models_for(principal)
        if theirs is None:
            return ()
        try:
            return await theirs.offered_models()
        except GeneratorError:
            return ()
