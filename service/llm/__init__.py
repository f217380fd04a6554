"""The door to language models: the port, the servers behind it, their tokenizers, who may use
which.

It knows nothing of documents. `open_model` gives the model that the settings name; the rest of the
project sees only the Protocol.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from indexes.settings import Settings
from service.llm.port import LanguageModel


@asynccontextmanager
async def open_model(settings: Settings) -> AsyncIterator[LanguageModel | None]:
    """The language model that the settings name, closed at the end; None if they name none.

    Another kind of server is put into place here. Raises BadConfiguration.
    """
    if settings.llm_url is None:
        yield None
        return
    from service.llm.vllm import VllmModel

    async with aclosing(VllmModel(settings)) as model:
        yield model
