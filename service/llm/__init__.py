"""The door to language models: the port, the servers behind it, their tokenizers, who may use
which.

It knows nothing of documents. `open_model` gives the model that the settings name; the rest of the
project sees only the Protocol.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
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


async def find_open_routes(settings: Settings, limit_s: float) -> Mapping[str, Sequence[str]]:
    """For operators: which routes of each configured server answer without a key, by its address."""
    from service.llm.vllm import find_open_routes as find

    return await find(settings, limit_s)
