"""The language models, each for those who may use it.

What a caller may not use takes the way of what is not there.
"""

from contextlib import suppress

from anyio import CapacityLimiter, to_thread

from indexes.catalog.models import Models
from indexes.errors import BadInput, GeneratorError, NoSuchModel
from indexes.model import Principal
from service.llm.port import LanguageModel, ServedModel

QUOTES = "clearance-quotes"  # listed beside the served models: answers with quotes, no model needed
AT_ONCE = 16  # rights looked up at the same time; this never waits behind work that burns CPU


def refuse_quotes(name: str) -> None:
    """Raises BadInput for a rule about what is no model."""
    if name == QUOTES:
        raise BadInput(
            f"{QUOTES} is no model: it quotes what the asker may read, and is always there."
        )


class Offer:
    """What the model servers serve, as far as each caller may use it.

    Rights are read anew at every request.
    """

    def __init__(self, model: LanguageModel | None, rights: Models | None = None) -> None:
        """rights: none where the models are one person's own, as in a benchmark."""
        self._model = model
        self._rights = rights
        self._limiter = CapacityLimiter(AT_ONCE)

    async def to(self, principal: Principal) -> LanguageModel | None:
        """The models of this caller; None: there is none for them, which is as if none were
        configured.
        """
        if self._model is None or self._rights is None:
            return self._model
        hidden = await to_thread.run_sync(
            self._rights.hidden_from, principal, limiter=self._limiter
        )
        if not hidden:
            return self._model
        theirs = self._model.without(hidden)
        try:
            with suppress(GeneratorError):  # whether it can answer now shows when it is asked
                await theirs.served()
        except NoSuchModel:
            return None
        return theirs

    async def listed_for(self, principal: Principal) -> tuple[ServedModel, ...]:
        """Every model that this caller can name, the default first; none while the servers are
        away.
        """
        theirs = await self.to(principal)
        if theirs is None:
            return ()
        try:
            return await theirs.offered()
        except GeneratorError:
            return ()
